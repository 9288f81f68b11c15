"""A channel is refused where it would give a key away or could never work."""

import gapura_client
import gapura_client.aio
import grpc
import pytest
from gapura_client.endpoint import is_local
from gapura_client.settings import channel_options

LOCAL = [
    "127.0.0.1:9003",
    "127.8.9.1",
    "localhost:9003",
    "LOCALHOST",
    "[::1]:9003",
    "::1",
    "unix:/run/gapura.sock",
    "unix:///run/gapura.sock",
    "unix-abstract:gapura",
    "dns:localhost:9003",
    "dns:///localhost:9003",
    "ipv4:127.0.0.1:9003,127.0.0.2:9003",
    "ipv6:[::1]:9003",
]
REMOTE = [
    "gapura:9003",
    "10.0.0.7:9003",
    "0.0.0.0:9003",
    "localhost.example.com:9003",
    "127.0.0.1.example.com:9003",
    "[2001:db8::1]:9003",
    "dns:///gapura:9003",
    "dns://127.0.0.1/gapura:9003",
    "ipv4:127.0.0.1:9003,10.0.0.7:9003",
    "xds:///gapura",
    "",
]


@pytest.mark.parametrize("target", LOCAL)
def test_target_on_this_machine_is_local(target: str) -> None:
    assert is_local(target)


@pytest.mark.parametrize("target", REMOTE)
def test_target_that_may_be_elsewhere_is_not_local(target: str) -> None:
    assert not is_local(target)


@pytest.mark.parametrize("connect", [gapura_client.connect, gapura_client.aio.connect])
async def test_key_never_leaves_the_machine_unencrypted(connect: type) -> None:
    """The message names both ways out, and not the key."""
    with pytest.raises(ValueError, match=r"credentials=.*allow_plaintext=True") as info:
        connect("gapura:9003", api_key="secret-key")
    assert "secret-key" not in str(info.value)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"api_key": "key-1", "allow_plaintext": True},
        {"api_key": "key-1", "credentials": grpc.ssl_channel_credentials()},
    ],
    ids=["no key", "closed network", "encrypted"],
)
async def test_remote_target_is_fine_otherwise(settings: dict[str, object]) -> None:
    gapura_client.connect("gapura:9003", **settings).close()  # type: ignore[arg-type]  # each is one of its keywords
    await gapura_client.aio.connect("gapura:9003", **settings).close()  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize("key", ["", "key-1\n", " key-1", "schl\u00fcssel", "a\x00b"])
def test_key_that_no_header_can_carry_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="api_key must be printable ASCII") as info:
        gapura_client.connect("localhost:9003", api_key=key)
    assert not key.strip() or key.strip() not in str(info.value)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_deadline_is_finite_and_positive(seconds: float) -> None:
    with pytest.raises(ValueError, match="timeout_seconds"):
        gapura_client.connect("localhost:9003", timeout_seconds=seconds)


def test_callers_own_channel_arguments_win() -> None:
    own = [("grpc.max_send_message_length", 1), ("grpc.primary_user_agent", "batch")]
    arguments = dict(channel_options("gapura:9003", own))
    assert arguments["grpc.max_send_message_length"] == 1
    assert arguments["grpc.primary_user_agent"] == "batch"
    assert arguments["grpc.max_receive_message_length"] == 64 << 20


def test_local_target_bypasses_proxies() -> None:
    """A proxy is another machine, and would see the key."""
    assert dict(channel_options("localhost:9003", ()))["grpc.enable_http_proxy"] == 0
    assert "grpc.enable_http_proxy" not in dict(channel_options("gapura:9003", ()))
