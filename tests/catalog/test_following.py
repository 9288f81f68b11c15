"""A gateway follows the catalog in Redis, whatever happens to Redis, and keeps the last whole one meanwhile."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.catalog.redis import RedisCatalog
from gateway.errors import ConfigurationError
from hub.catalog_store import publish_to_redis, seal
from tests.catalog.following import KEY, NEVER_SECONDS, eventually, following, generation
from tests.catalog.valkey import Valkey, running
from tests.envoy.certificates import Authority
from tests.gateway.models import catalog_message

SECRET = "not-for-the-log"  # noqa: S105 - it opens nothing
SEALED = seal(catalog_message(7))
LYING = seal(catalog_message(7)).replace(b"\x08\x07", b"\x08\x09", 1)
ALTERED = SEALED[:-1] + bytes([SEALED[-1] ^ 1])

# The least that a gateway may be allowed.
RIGHTS = ("resetkeys", f"%R~{KEY}", f"&{KEY}", "-@all", "+strlen", "+getrange", "+subscribe")


async def publish(url: str, number: int) -> None:
    """Publishes a catalog as the hub does."""
    await asyncio.to_thread(publish_to_redis, url, KEY, catalog_message(number))


async def test_a_catalog_is_told_without_waiting_for_the_next_look(valkey: Valkey) -> None:
    async with following(valkey.url(), NEVER_SECONDS) as catalog:
        for number in (1, 2, 3):
            await publish(valkey.url(), number)
            await eventually(lambda: generation(catalog) == number)  # noqa: B023 - called at once
    assert catalog.edition is not None
    assert catalog.edition.content == catalog_message(3).SerializeToString(deterministic=True)


async def test_a_catalog_that_nobody_tells_of_is_found_by_the_next_look(valkey: Valkey) -> None:
    async with following(valkey.url()) as catalog:
        valkey.do("SET", KEY, SEALED)
        await eventually(lambda: generation(catalog) == 7)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (("SET", KEY, b"garbage"), "holds no catalog"),
        (("SET", KEY, SEALED[:-3]), "holds no catalog"),
        (("SET", KEY, ALTERED), "was cut or altered"),
        (("SET", KEY, LYING), "says generation 9 and holds 7"),
        (("SET", KEY, seal(catalog_message(2))), "went back from generation 7 to 2"),
        (("RPUSH", KEY, "1"), "WRONGTYPE"),
        (("DEL", KEY), "no catalog there"),
    ],
)
async def test_what_is_no_whole_newer_catalog_changes_nothing_and_is_told_once(
    valkey: Valkey, spoil: tuple[str | bytes, ...], reason: str
) -> None:
    valkey.do("SET", KEY, SEALED)
    async with following(valkey.url()) as catalog:
        with capture_logs() as logs:
            valkey.do("DEL", KEY)
            valkey.do(*spoil)
            for _ in range(3):
                valkey.do("PUBLISH", KEY, "another look")
                await eventually(lambda: any(reason in str(entry.get("reason")) for entry in logs))
                await asyncio.sleep(0.1)
            assert generation(catalog) == 7
            assert [reason in str(entry.get("reason")) for entry in logs].count(True) == 1
            valkey.do("DEL", KEY)
            await publish(valkey.url(), 8)
            await eventually(lambda: generation(catalog) == 8)
        assert logs[-1]["event"] == "catalog in Redis is followed"


async def test_a_redis_that_is_killed_and_comes_back_is_followed_again(valkey: Valkey) -> None:
    await publish(valkey.url(), 1)
    async with following(valkey.url(), NEVER_SECONDS) as catalog:
        with capture_logs() as logs:
            for number in (2, 3):
                valkey.kill()
                await eventually(lambda: generation(catalog) == number - 1)  # noqa: B023 - called at once
                await asyncio.sleep(1.2)  # several tries to connect
                valkey.start()
                await publish(valkey.url(), number)
                await eventually(lambda: generation(catalog) == number)  # noqa: B023 - called at once
    assert [entry["log_level"] for entry in logs] == ["error", "info"] * 2


async def test_a_redis_that_freezes_is_followed_again_when_it_goes_on(valkey: Valkey) -> None:
    await publish(valkey.url(), 1)
    async with following(valkey.url()) as catalog:
        with capture_logs() as logs:
            valkey.freeze()
            await eventually(lambda: bool(logs))
            await asyncio.sleep(1.5)
            assert (len(logs), generation(catalog)) == (1, 1)
            valkey.thaw()
            await publish(valkey.url(), 2)
            await eventually(lambda: generation(catalog) == 2)


async def test_a_redis_that_is_not_there_yet_is_followed_when_it_comes() -> None:
    valkey = Valkey()
    async with following(valkey.url()) as catalog:
        assert catalog.edition is None
        try:
            valkey.start()
            await publish(valkey.url(), 1)
            await eventually(lambda: generation(catalog) == 1)
        finally:
            valkey.kill()


async def test_it_ends_when_it_is_cancelled_at_whatever_moment(valkey: Valkey) -> None:
    """On Python 3.11 a cancellation could be lost between two looks, and the gateway would never end."""
    for turn in range(50):
        async with following(valkey.url(), every_seconds=0.0001):
            await asyncio.sleep(turn / 10_000)


@pytest.mark.parametrize("user", ["", f"default:{SECRET}-wrong@", f"nobody:{SECRET}@"])
async def test_without_the_right_password_the_reason_is_told_and_the_password_is_not(user: str) -> None:
    with running("--requirepass", SECRET) as valkey, capture_logs() as logs:
        async with following(valkey.url(user)) as catalog:
            await asyncio.sleep(1.2)
            assert catalog.edition is None
    assert len(logs) == 1
    assert any(word in logs[0]["reason"].lower() for word in ("auth", "password"))
    assert SECRET not in repr(logs)


async def test_a_user_with_the_least_rights_follows() -> None:
    with running("--requirepass", SECRET) as valkey:
        valkey.do("ACL", "SETUSER", "gateway", "on", f">{SECRET}2", *RIGHTS, user=f"default:{SECRET}@")
        async with following(valkey.url(f"gateway:{SECRET}2@"), NEVER_SECONDS) as catalog:
            await publish(valkey.url(f"default:{SECRET}@"), 1)
            await eventually(lambda: generation(catalog) == 1)


async def test_tls_is_spoken_and_the_server_has_to_be_the_right_one(valkey: Valkey, tmp_path: Path) -> None:
    known, unknown = Authority(tmp_path, "known"), Authority(tmp_path, "unknown")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pair = known.sign("localhost")
    context.load_cert_chain(pair.certificate, pair.key)
    async with tls_before(valkey.port, context) as port:
        url = f"rediss://127.0.0.1:{port}?ssl_ca_certs="
        await publish(f"{url}{known.file}", 1)
        async with following(f"{url}{known.file}") as catalog, following(f"{url}{unknown.file}") as stranger:
            await eventually(lambda: generation(catalog) == 1)
            assert stranger.edition is None


@asynccontextmanager
async def tls_before(port: int, context: ssl.SSLContext) -> AsyncIterator[int]:
    """Ends TLS before a server on this machine; yields the port."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while content := await reader.read(4096):
            writer.write(content)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, before = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(carry(reader, before), carry(behind, writer), return_exceptions=True)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("url", ["http://host", "host:6379", "redis://host:port", "redis://host?nonsense=1"])
def test_a_url_that_is_not_valid_is_told_without_its_password(url: str) -> None:
    with pytest.raises(ConfigurationError, match="GAPURA_REDIS_URL: write redis://") as refused:
        RedisCatalog(url.replace("//", f"//user:{SECRET}@"), KEY, 1.0)
    assert SECRET not in repr(refused.getrepr(chain=True, showlocals=False).reprcrash)
