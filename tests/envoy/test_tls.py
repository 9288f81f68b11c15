"""TLS: who is let in, and what workers are told of a caller's certificate."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from gapura_envoy.testing import RunningEdge, running_edge

from tests.envoy.certificates import Authority, Pair
from tests.envoy.recording import Recorder

ECHO, XFCC, FORGED = "/test.Edge/Echo", "x-forwarded-client-cert", "Hash=00;URI=spiffe://erp/forged"
SPIFFE = "spiffe://erp/finance"


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Signs for the edge and its callers."""
    return Authority(tmp_path_factory.mktemp("certificates"), "authority")


@pytest.fixture(scope="session")
def own(authority: Authority) -> Pair:
    """The edge's certificate."""
    return authority.sign("localhost")


@pytest.fixture(scope="session")
def finance(authority: Authority) -> Pair:
    """A caller's certificate."""
    return authority.sign("finance.erp.example", SPIFFE)


@asynccontextmanager
async def recorded(**settings: Any) -> AsyncIterator[tuple[RunningEdge, Recorder]]:
    """Runs an edge before a worker that notes what it is sent."""
    recorder = Recorder()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="edge-"))
        server = await recorder.start(f"unix:{folder}/worker")
        running = running_edge([f"unix:{folder}/worker"], **settings)
        yield await asyncio.to_thread(stack.enter_context, running), recorder
        await server.stop(None)


async def call(edge: RunningEdge, credentials: grpc.ChannelCredentials | None, *, forged: bool = False) -> bytes:
    """Makes a call."""
    channel = (
        grpc.aio.secure_channel(edge.address, credentials) if credentials else grpc.aio.insecure_channel(edge.address)
    )
    async with channel:
        ask: Any = channel.unary_unary(ECHO)
        return bytes(await ask(b"x", metadata=((XFCC, FORGED),) if forged else (), timeout=5))


def credentials(authority: Authority, pair: Pair | None = None) -> grpc.ChannelCredentials:
    """Returns what a caller trusts and shows."""
    if pair is None:
        return grpc.ssl_channel_credentials(authority.file.read_bytes())
    return grpc.ssl_channel_credentials(
        authority.file.read_bytes(), pair.key.read_bytes(), pair.certificate.read_bytes()
    )


def required(authority: Authority, own: Pair, **more: Any) -> dict[str, Any]:
    """Returns the settings of an edge that wants certificates."""
    return {"certificate": own.certificate, "key": own.key, "client_ca": authority.file, **more}


async def test_a_caller_over_tls_is_answered_and_one_without_is_not(authority: Authority, own: Pair) -> None:
    async with recorded(certificate=own.certificate, key=own.key) as (edge, _):
        assert await call(edge, credentials(authority)) == b"x"
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(edge, None)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_workers_are_told_whose_certificate_was_seen_and_nothing_that_callers_say_of_it(
    authority: Authority, own: Pair, finance: Pair
) -> None:
    async with recorded(**required(authority, own)) as (edge, recorder):
        assert await call(edge, credentials(authority, finance), forged=True) == b"x"
        (seen,) = recorder.calls
        assert f"URI={SPIFFE}" in seen[XFCC]
        assert "DNS=finance.erp.example" in seen[XFCC]
        assert "forged" not in seen[XFCC]


async def test_a_caller_without_a_certificate_of_the_authority_is_not_let_in(
    authority: Authority, own: Pair, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "stranger").sign("finance.erp.example", SPIFFE)
    async with recorded(**required(authority, own)) as (edge, recorder):
        for shown in (None, stranger):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call(edge, credentials(authority, shown))
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert not recorder.calls


async def test_a_forged_certificate_is_dropped_where_none_is_wanted_or_shown(authority: Authority, own: Pair) -> None:
    async with recorded() as (edge, recorder):
        await call(edge, None, forged=True)
        assert XFCC not in recorder.calls[0]
    async with recorded(**required(authority, own, client_certificate="optional")) as (edge, recorder):
        await call(edge, credentials(authority), forged=True)
        assert XFCC not in recorder.calls[0]


async def test_a_certificate_that_is_replaced_is_shown_from_then_on(tmp_path: Path) -> None:
    first, second = (Authority(tmp_path, name) for name in ("first", "second"))
    own = first.sign("localhost")
    async with recorded(certificate=own.certificate, key=own.key) as (edge, _):
        await call(edge, credentials(first))
        later = second.sign("later")
        later.key.replace(own.key)
        later.certificate.replace(own.certificate)
        async with asyncio.timeout(30):
            while True:
                try:
                    await call(edge, credentials(second))
                    break
                except grpc.aio.AioRpcError:
                    await asyncio.sleep(0.1)
