"""What telemetry costs a call in the process, in microseconds of CPU: one whose trace is not kept, and one whose is.

Nine calls at a time go all the way: they begin, every stage notes its time, they leave as one batch,
they end. What they cost without telemetry, where the stages note the same and nobody reads it, is measured in turns
with it; of many short rounds the shortest counts, which had the processor to itself. What is kept is kept in memory:
another thread writes it.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter, process_time

from benchmarks.measuring.measurement import Pace
from benchmarks.measuring.others import watched
from benchmarks.measuring.results import Bar, Findings, Table
from gateway.interfaces import Telemetry
from gateway.process import calm_collector
from gateway.telemetry.off import NoTelemetry
from gateway.telemetry.opening import Bounds, Watch
from gateway.traces import BatchTrace
from gateway.types import Arm, ModelVersion, Signature

MOST_US = 3.0
ROUNDS_PER_SECOND = 60
PATH = "/erpml.team9.v1.BenchService/Score"
VERSION = ModelVersion("team9_bench", 1, Signature((), ()), 256, "digest")
ARM = Arm("champion", VERSION)
MEMBERS, BATCHES, ROWS = 9, 50, 8
CALLS = MEMBERS * BATCHES
MOST_KEPT = 18_000  # then the budget for traces would be spent
WITHOUT, NOT_KEPT, KEPT = "without telemetry", "trace not kept", "trace kept"


def make_calls(telemetry: Telemetry) -> None:
    """Makes the calls of one batch, and ends them."""
    traces = []
    for _ in range(MEMBERS):
        trace = telemetry.begin(PATH, perf_counter())
        trace.tenant = "acme"
        trace.admitted = perf_counter()
        trace.route(ARM)
        trace.encode(ROWS)
        traces.append(trace)
    batch = BatchTrace(VERSION, MEMBERS)
    for trace in traces:
        trace.batches = (batch,)
        trace.position = batch.rows
        batch.rows += ROWS
        if trace.chosen:
            batch.chosen = True
    batch.settle(batch.send("127.0.0.1:8001"))
    batch.ended = perf_counter()
    for trace in traces:
        trace.inferred = perf_counter()
        trace.decided = perf_counter()
        telemetry.end(trace)


def time_round(telemetry: Telemetry) -> float:
    """Returns the microseconds of a call in one round."""
    begin = process_time()
    for _ in range(BATCHES):
        make_calls(telemetry)
    return (process_time() - begin) / CALLS * 1e6


def time_ways(ways: Mapping[str, Telemetry], rounds: int) -> dict[str, float]:
    """Returns the least of all rounds, by the name of the way."""
    least = dict.fromkeys(ways, float("inf"))
    for number in range(rounds):
        for name, telemetry in ways.items():
            if name != KEPT or number < MOST_KEPT // CALLS:
                least[name] = min(least[name], time_round(telemetry))
    return least


def measure(pace: Pace) -> Findings:
    """Runs the part."""
    findings = Findings()
    with watched(findings), tempfile.TemporaryDirectory(prefix="gapura-") as folder:
        watches = {
            name: Watch(Path(folder), "gateway", Bounds(ratio, 10.0, {}), PATH.__eq__)
            for name, ratio in ((NOT_KEPT, 0.0), (KEPT, 1.0))
        }
        ways: dict[str, Telemetry] = {WITHOUT: NoTelemetry()}
        ways |= {name: watch.telemetry for name, watch in watches.items()}
        calm_collector()
        least = time_ways(ways, max(round(ROUNDS_PER_SECOND * pace.seconds), 1))
        for watch in watches.values():
            watch.close()
    added = {name: each - least[WITHOUT] for name, each in least.items()}
    rows = tuple((name, round(each, 2), round(added[name], 2)) for name, each in least.items())
    findings.tables.append(Table("CPU of one call, µs, the shortest round", ("", "µs", "more than without"), rows))
    findings.figures["microseconds"] = least
    findings.bars.append(Bar("µs that telemetry adds to a call that is not kept", added[NOT_KEPT], at_most=MOST_US))
    return findings
