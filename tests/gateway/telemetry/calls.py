"""Calls as stages note them, for tests of what is made of them."""

from collections.abc import Sequence
from time import perf_counter

from gateway.telemetry.telemetry import Telemetry
from gateway.traces import BatchTrace, CallTrace
from gateway.types import Arm, ModelVersion, Signature

PATH = "/erpml.team.v1.TestService/Score"
VERSION = ModelVersion("team_model", 3, Signature((), ()), 32, "digest")
ARM = Arm("champion", VERSION)


def begin(telemetry: Telemetry, path: str = PATH, parent: str | None = None, seconds_ago: float = 0.01) -> CallTrace:
    """Begins a call that came a while ago, and brings it up to its lane."""
    trace = telemetry.begin(path, perf_counter() - seconds_ago, parent)
    trace.tenant = "acme"
    trace.admitted = perf_counter()
    trace.route(ARM)
    trace.encode(4)
    return trace


def board(traces: Sequence[CallTrace]) -> BatchTrace:
    """Lets calls leave together."""
    batch = BatchTrace(VERSION, len(traces))
    for trace in traces:
        trace.batches = (*trace.batches, batch)
        trace.position, batch.rows = batch.rows, batch.rows + trace.rows
        batch.chosen |= trace.chosen
    return batch


def answer(batch: BatchTrace, traces: Sequence[CallTrace], node: str = "127.0.0.1:8001") -> None:
    """Lets a node answer calls."""
    with batch.attempt(node):
        pass
    batch.ended = perf_counter()
    for trace in traces:
        trace.inferred = trace.decided = perf_counter()
