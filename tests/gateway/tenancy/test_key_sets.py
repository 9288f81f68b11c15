"""Keys of issuers: followed where they are, and whatever happens there, the last good ones stay."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from time import monotonic

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from structlog.testing import capture_logs

from gateway.tenancy.issuers import TokenIssuer
from gateway.tenancy.jwks import MOST_BYTES
from gateway.tenancy.key_sets import KeySet, KeySets
from gateway.watching import fingerprint
from tests.gateway.tenancy.issuing import entry, issuer_at, key_for, key_set
from tests.gateway.tenancy.key_server import serving

OLD, NEW = key_set(entry("ES256")), key_set(entry("ES256"), entry("RS256"))
SHORT = rsa.generate_private_key(65537, 1024)  # noqa: S505 - that it is not taken is the test
STAYED = "keys of an issuer stay as they were"
MANY_SECONDS = 3600


def has(key_sets: KeySets, issuer: TokenIssuer, algorithm: str, kid: str | None = None) -> bool:
    """Says whether there is a key."""
    return key_sets.find(issuer.jwks, kid or algorithm, algorithm) is not None


@asynccontextmanager
async def following(*issuers: TokenIssuer, pause_seconds: float = 0.3) -> AsyncIterator[KeySets]:
    """Follows the keys of issuers."""
    key_sets = KeySets(fingerprint, pause_seconds)
    await key_sets.refresh(issuers)
    task = asyncio.create_task(key_sets.follow())
    try:
        yield key_sets
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def eventually(fact: Callable[[], bool], seconds: float = 20) -> None:
    """Waits for a fact."""
    end = monotonic() + seconds
    while not fact():
        assert monotonic() < end
        await asyncio.sleep(0.01)


async def test_keys_in_a_file_are_others_once_the_file_is(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(OLD)
    issuer = issuer_at(path, refresh_seconds=MANY_SECONDS)
    async with following(issuer, pause_seconds=MANY_SECONDS) as key_sets:
        edition = key_sets.edition
        assert not has(key_sets, issuer, "RS256")
        path.write_text(NEW)
        await eventually(lambda: has(key_sets, issuer, "RS256"))
        assert key_sets.edition > edition
        path.write_text(key_set(entry("RS256")))
        await eventually(lambda: not has(key_sets, issuer, "ES256"))


async def test_keys_of_a_server_are_read_again_after_a_while() -> None:
    with serving(OLD) as server:
        issuer = issuer_at(server.url(), refresh_seconds=MANY_SECONDS)
        another = issuer_at(server.url(), issuer="another", refresh_seconds=1)
        async with following(issuer, another, pause_seconds=MANY_SECONDS) as key_sets:
            edition = key_sets.edition
            await eventually(lambda: server.asked >= 2)
            assert key_sets.edition == edition
            server.content = NEW
            await eventually(lambda: has(key_sets, issuer, "RS256"))
            assert key_sets.edition == edition + 1


async def test_made_up_keys_cost_one_reading_at_most_each_pause() -> None:
    with serving(OLD) as server:
        issuer = issuer_at(server.url(), refresh_seconds=MANY_SECONDS)
        async with following(issuer, pause_seconds=0.5) as key_sets:
            begun, edition = monotonic(), key_sets.edition
            server.content = NEW
            for number in range(1000):
                assert not has(key_sets, issuer, "RS256", str(number))
            await asyncio.sleep(0.2)
            assert server.asked == 1 or monotonic() - begun > 0.4
            await eventually(lambda: key_sets.edition > edition)
            assert monotonic() - begun >= 0.4
            assert has(key_sets, issuer, "RS256")
            await asyncio.sleep(0.8)
            assert server.asked == 2


async def test_a_server_that_comes_late_is_found() -> None:
    with serving("not yet") as server:
        async with following(issuer_at(server.url(), refresh_seconds=MANY_SECONDS)) as key_sets:
            assert key_sets.edition == 0
            server.content = OLD
            await eventually(lambda: key_sets.edition == 1)


async def test_a_server_that_is_slow_keeps_nobody_else_waiting(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(OLD)
    with serving(OLD) as server:
        slow, quick = issuer_at(server.url(), refresh_seconds=1), issuer_at(path)
        async with following(slow, quick) as key_sets:
            with server.silent():
                await eventually(lambda: server.asked == 2)
                path.write_text(NEW)
                await eventually(lambda: has(key_sets, quick, "RS256"), seconds=1)
                await asyncio.sleep(0.3)
                assert server.asked == 2


async def test_a_server_that_is_gone_leaves_the_last_keys_and_says_so_once() -> None:
    with capture_logs() as logs:
        with serving(OLD) as server:
            held = KeySet(issuer_at(server.url()), fingerprint, 1)
            assert await held.read()
            for server.status in (500, 500, 302):
                assert not await held.read()
        assert [await held.read(), await held.read()] == [False, False]
    reasons = [line["reason"] for line in logs if line["event"] == STAYED]
    assert [word in reason for word, reason in zip(("500", "302", "refused"), reasons, strict=True)] == [True] * 3
    assert server.asked == 4
    assert ("ES256", "ES256") in held.keys


async def test_a_failure_is_told_again_if_all_was_well_between(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    held = KeySet(issuer_at(path), fingerprint, 1)
    with capture_logs() as logs:
        for content in ("[", OLD, "["):
            path.write_text(content)
            await held.read()
    assert len([line for line in logs if line["event"] == STAYED]) == 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "Expecting value"),
        ("{}", "no key with a `kid`"),
        ("[]", "not a JSON object"),
        ("[" * 100_000, "cannot read"),
        ("\x00\xff", "cannot read"),
        (" " * MOST_BYTES + OLD, "more than 1048576 bytes"),
        (key_set(), "no key with a `kid`"),
        ('{"keys": {"kty": "RSA"}}', "no key with a `kid`"),
        ('{"keys": [1, null, "x", []]}', "no key with a `kid`"),
        (key_set(entry("ES256", kid=None)), "no key with a `kid`"),
        (key_set(entry("ES256", use="enc")), "no key with a `kid`"),
        (key_set(entry("ES256", alg="ES384")), "no key with a `kid`"),
        (key_set(entry("ES256", alg="HS256")), "no key with a `kid`"),
        (key_set(entry("ES256", alg=["ES256"])), "no key with a `kid`"),
        (key_set(entry("ES256", kty=["EC"])), "no key with a `kid`"),
        (key_set(entry("ES256", x=7)), "no key with a `kid`"),
        (key_set(entry("ES256", x="AAAA")), "no key with a `kid`"),
        (key_set(entry("ES256", crv="P-999")), "no key with a `kid`"),
        (key_set(entry("RS256", e="")), "no key with a `kid`"),
        (key_set({"kty": "oct", "k": "c2VjcmV0" * 8, "kid": "HS256"}), "no key with a `kid`"),
        (key_set({**RSAAlgorithm.to_jwk(SHORT.public_key(), as_dict=True), "kid": "short"}), "no key with a `kid`"),
        (key_set({**RSAAlgorithm.to_jwk(SHORT, as_dict=True), "kid": "open"}), "private key"),
    ],
)
async def test_a_file_that_is_no_set_of_keys_leaves_the_last_one(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(OLD)
    held = KeySet(issuer_at(path), fingerprint, 1)
    assert await held.read()
    path.write_bytes(content.encode("latin-1"))
    with capture_logs() as logs:
        assert not await held.read()
    assert [reason in line["reason"] for line in logs] == [True]
    assert list(held.keys) == [("ES256", "ES256")]


async def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with capture_logs() as logs:
        assert not await KeySet(issuer_at(tmp_path / "nowhere.json"), fingerprint, 1).read()
    assert "nowhere.json" in logs[0]["reason"]


async def test_a_key_is_for_the_algorithm_that_it_names_or_for_all_of_its_kind(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(key_set(entry("RS256"), entry("PS512", alg="PS512"), entry("ES384"), entry("ES384", "later")))
    held = KeySet(issuer_at(path), fingerprint, 1)
    await held.read()
    of_rsa = {("RS256", f"{kind}{bits}") for kind in ("RS", "PS") for bits in (256, 384, 512)}
    assert set(held.keys) == of_rsa | {("PS512", "PS512"), ("ES384", "ES384")}
    assert held.keys["ES384", "ES384"].key == key_for("ES384").public_key()


async def test_sets_outlive_a_reading_of_the_tenants_file_unless_it_names_them_no_more(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(OLD)
    with serving(OLD) as server:
        there, here = issuer_at(server.url()), issuer_at(path)
        key_sets = KeySets(fingerprint)
        await key_sets.refresh([there])
        await key_sets.refresh([there, here, issuer_at(server.url(), issuer="another", refresh_seconds=1)])
        assert server.asked == 1
        assert has(key_sets, there, "ES256")
        await key_sets.refresh([here])
        assert not has(key_sets, there, "ES256")
        assert has(key_sets, here, "ES256")
