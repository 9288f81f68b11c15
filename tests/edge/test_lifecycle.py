"""Start and stop: who may connect, what is left of a killed process, and calls under way when the end comes."""

import asyncio
import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from gateway.app import Gateway
from gateway.edge.grpcio import GrpcioListener
from gateway.edge.native.listener import NativeListener
from gateway.errors import ConfigurationError
from gateway.front import LISTENERS
from gateway.settings import read_settings
from gateway.telemetry.off import NoTelemetry
from tests.edge.conftest import ECHO, HELD, KINDS, STREAM, listening


@pytest.fixture
def folder() -> Iterator[str]:
    """A folder whose name is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="edge-") as made:
        yield made


async def test_calls_under_way_are_answered_while_the_listener_stops(kind: str) -> None:
    async with listening(kind) as edge:
        held = edge.unary(HELD, b"x")
        stream = edge.channel.stream_stream(STREAM)()
        await stream.write(b"a")
        await edge.until(lambda: edge.begun == 1 and len(edge.calls) == 1)
        stopping = asyncio.create_task(edge.listener.stop(60))
        await asyncio.sleep(0.1)
        assert await edge.unary(ECHO, b"late") == b"late"
        edge.open.set()
        assert await held == b"x"
        assert await stream.read() == b"a"
        await stream.done_writing()
        assert await stream.code() is grpc.StatusCode.OK
        await asyncio.wait_for(stopping, 20)
        refused = await edge.refusal(edge.unary(ECHO, timeout=10))
        assert refused.code() is grpc.StatusCode.UNAVAILABLE


async def test_calls_that_outlast_the_drain_are_cancelled(kind: str) -> None:
    async with listening(kind) as edge:
        held = edge.unary(HELD)
        await edge.until(lambda: edge.begun == 1)
        await asyncio.wait_for(edge.listener.stop(0.3), 20)
        assert (await edge.refusal(held)).code() is grpc.StatusCode.UNAVAILABLE
        await edge.until(lambda: edge.cancelled == 1)


async def test_new_calls_are_refused_once_others_have_kept_coming_for_half_of_the_grace(kind: str) -> None:
    async with listening(kind) as edge:
        stopping = asyncio.create_task(edge.listener.stop(1))
        code = grpc.StatusCode.OK
        async with asyncio.timeout(20):
            while code is grpc.StatusCode.OK:
                code = await edge.unary(ECHO, timeout=10).code()
        assert code is grpc.StatusCode.UNAVAILABLE
        await stopping


async def test_a_socket_that_a_killed_process_left_is_taken_and_removed_at_the_end(kind: str, folder: str) -> None:
    path = Path(folder) / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with listening(kind, f"unix:{path}") as edge:
        assert await edge.unary(ECHO, b"x") == b"x"
    assert not path.exists()


async def test_a_socket_that_somebody_listens_on_is_not_taken(kind: str, folder: str) -> None:
    async with listening(kind, f"unix:{folder}/s") as edge:
        with pytest.raises(ConfigurationError, match="in use"):
            await KINDS[kind](edge.address, dict, edge.services, 1, NoTelemetry()).start()
        assert await edge.unary(ECHO, b"x") == b"x"


async def test_a_file_that_is_no_socket_is_left_alone(kind: str, folder: str) -> None:
    path = Path(folder) / "f"
    path.write_text("mine")
    with pytest.raises(ConfigurationError, match="no socket"):
        await KINDS[kind](f"unix:{path}", dict, lambda _: None, 1, NoTelemetry()).start()
    assert path.read_text() == "mine"


async def test_a_port_that_is_in_use_is_named(kind: str) -> None:
    async with listening(kind) as edge:
        with pytest.raises(ConfigurationError, match=f"{edge.address}.*in use"):
            await KINDS[kind](edge.address, dict, edge.services, 1, NoTelemetry()).start()


@pytest.mark.parametrize("address", ["", "9003", "unix:", "127.0.0.1:99999", "http://127.0.0.1:1", "unix-abstract:x"])
async def test_what_is_no_address_is_refused(kind: str, address: str) -> None:
    with pytest.raises(ConfigurationError, match="no address"):
        await KINDS[kind](address, dict, lambda _: None, 1, NoTelemetry()).start()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_path_that_is_too_long_for_a_socket_is_named(kind: str, folder: str) -> None:
    with pytest.raises(ConfigurationError, match="too long for a unix socket: at most 107 bytes"):
        await KINDS[kind](f"unix:{folder}/{'s' * 100}", dict, lambda _: None, 1, NoTelemetry()).start()


async def test_a_worker_whose_own_socket_cannot_be_bound_says_so(folder: str) -> None:
    own = Path(folder, "none/own")
    with pytest.raises(ConfigurationError, match=f"cannot listen on unix:{own}"):
        await GrpcioListener("127.0.0.1:0", dict, lambda _: None, 1, NoTelemetry(), own_socket=own).start()


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "example.org:0"])
async def test_native_listens_to_strangers_only_where_the_network_is_trusted(address: str) -> None:
    with pytest.raises(ConfigurationError, match="GAPURA_TRUSTED_NETWORK"):
        await NativeListener(address, dict, lambda _: None, 1, NoTelemetry()).start()


async def test_native_takes_any_address_of_a_trusted_network() -> None:
    async with listening("native", "0.0.0.0:0", trusted_network=True) as edge:
        assert await edge.unary(ECHO, b"x") == b"x"


@pytest.mark.parametrize("address", ["127.0.0.1:0", "localhost:0", "127.0.0.2:0"])
async def test_native_takes_loopback_addresses(address: str) -> None:
    async with listening("native", address) as edge:
        assert await edge.unary(ECHO, b"x") == b"x"


async def test_only_its_own_user_may_connect_to_the_socket_of_native(folder: str) -> None:
    before = os.umask(0)
    try:
        async with listening("native", f"unix:{folder}/s"):
            assert mode_of(Path(folder, "s")) == 0o700
    finally:
        assert os.umask(before) == 0


async def test_native_leaves_no_folder_behind(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", folder)
    async with listening("native"):
        (made,) = files_in(folder)
        assert mode_of(made) == 0o700
    assert not files_in(folder)


@pytest.mark.parametrize("name", LISTENERS)
async def test_the_setting_chooses_the_listener(name: str, tmp_path: Path) -> None:
    settings = read_settings(
        listener=name, listen="127.0.0.1:0", catalog=tmp_path / "c", tenants=tmp_path / "t", drain_seconds=0.1
    )
    gateway = Gateway(settings)
    async with grpc.aio.insecure_channel(await gateway.start()) as channel:
        ask: Any = channel.unary_unary("/inference.GRPCInferenceService/ServerLive")
        assert await ask(b"", timeout=5).code() in {grpc.StatusCode.OK, grpc.StatusCode.UNAUTHENTICATED}
    await gateway.stop()


def mode_of(path: Path) -> int:
    """Returns who may do what with a file."""
    return stat.S_IMODE(path.stat().st_mode)


def files_in(folder: str) -> list[Path]:
    """Returns what is in a folder."""
    return list(Path(folder).iterdir())
