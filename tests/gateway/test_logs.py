"""Logs: a fault is told once, with its place, and never with the key or the data of the call that met it."""

import sys
from typing import Any

import grpc
import pytest

from gateway.calls import Call
from gateway.edge.grpcio import GrpcioListener
from gateway.interfaces import Endpoint
from gateway.logs import configure_logs
from gateway.telemetry.off import NoTelemetry


async def fail(call: Call) -> bytes:  # noqa: ARG001 - an endpoint takes the call
    """Fails as code with a defect does."""
    raise RuntimeError("a defect")


@pytest.mark.parametrize("terminal", [False, True])
async def test_a_fault_is_logged_without_the_call_that_met_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *, terminal: bool
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    configure_logs("info")
    table = {"/s/m": Endpoint("/s/m", fail)}
    listener = GrpcioListener("127.0.0.1:0", lambda: table, lambda _: None, 2**20, NoTelemetry())
    async with grpc.aio.insecure_channel(await listener.start()) as channel:
        method: Any = channel.unary_unary("/s/m")
        with pytest.raises(grpc.aio.AioRpcError, match="incident") as refused:
            await method(b"data of a customer", metadata=(("x-api-key", "a-secret-key"),))
    await listener.stop(0)
    logged = capsys.readouterr().err
    assert refused.value.code() is grpc.StatusCode.INTERNAL
    assert "a defect" not in str(refused.value.details())
    assert logged.count("unexpected error") == 1
    assert "a defect" in logged
    assert "a-secret-key" not in logged
    assert "customer" not in logged
