"""Where the time of lone calls goes inside a gateway, by the traces that it keeps of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import monotonic, sleep

from benchmarks.measuring.contestants import Contestant
from benchmarks.measuring.framing import METHOD
from benchmarks.measuring.results import Cell, Table
from gateway.operations.kept import KeptCall
from gateway.operations.trace_index import TraceIndex, calls_among

STAGES = ("receive", "admission", "routing", "encode", "queue", "inference", "wake", "decision", "respond")
MICROSECONDS = 1_000_000
WANTED = "asked"
SAMPLED = f"00-{1:032x}-{1:016x}-01"
WRITTEN_SECONDS, LOOK_SECONDS, LEAST_CALLS = 10.0, 0.2, 20


class NoTracesError(Exception):
    """A gateway has kept none."""


def traced(contestant: Contestant) -> Contestant:
    """Returns a gateway whose callers want a trace of each call to be kept, as W3C's Trace Context has it."""
    return replace(contestant, headers=(*contestant.headers, ("traceparent", SAMPLED)))


def read_calls(folder: Path) -> list[KeptCall]:
    """Returns the latest calls that a gateway has kept, once it has written enough of them.

    Raises:
        NoTracesError: It does not.
    """
    index, until = TraceIndex(folder), monotonic() + WRITTEN_SECONDS
    try:
        while monotonic() < until:
            calls = list(calls_among(index.latest(), lambda call: call.path == METHOD and call.why == WANTED))
            if len(calls) >= LEAST_CALLS:
                return calls
            sleep(LOOK_SECONDS)
    finally:
        index.close()
    raise NoTracesError(f"fewer than {LEAST_CALLS} traces in {folder} after {WRITTEN_SECONDS:g} s")


def medians_of(calls: Sequence[KeptCall]) -> dict[str, float]:
    """Returns how long each stage took, in microseconds, and all of them together as `inside`."""
    whole = {"inside": median(call.seconds for call in calls) * MICROSECONDS}
    taken = [{stage.name: stage.seconds for stage in call.stages} for call in calls]
    return {stage: median(each.get(stage, 0.0) for each in taken) * MICROSECONDS for stage in STAGES} | whole


def tabulate(inside: Mapping[str, Mapping[str, float]], seen_ms: Mapping[str, float]) -> Table:
    """Returns the stages of each gateway, and what its callers saw beside: sockets, HTTP/2, Envoy."""
    rows: list[tuple[Cell, ...]] = []
    for name, stages in inside.items():
        seen = seen_ms[name] * 1000
        rows.append((name, *(round(each) for each in stages.values()), round(seen - stages["inside"]), round(seen)))
    columns = ("", *STAGES, "inside", "outside", "as the caller sees it")
    return Table("where the time of a lone call goes: medians, µs", columns, tuple(rows))
