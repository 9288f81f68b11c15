"""Calls a second and CPU of a gateway with all of telemetry, against one without: 8 connections x 32 calls under way.

Gateways in processes of their own over the same small trees, asked in turns by `h2load`; every answer is checked before
the clock starts, those of a caller beside the load while it runs, and the size of all others. One keeps one call in a
hundred, writes it down and exports it over gRPC to a collector beside it, as it does with its metrics; another has
`GAPURA_TELEMETRY_ENABLED=false`. Where there is time, there are two more, one that counts alone and one that writes
traces down but exports nothing, and both listeners. Each round is a ratio.
"""

import tempfile
from pathlib import Path

import uvloop

from benchmarks.lanes.contestants import Contestant
from benchmarks.lanes.measurement import play
from benchmarks.lanes.tables import take
from benchmarks.lanes.verification import verify
from benchmarks.measuring.h2load import Shape
from benchmarks.measuring.measurement import Pace
from benchmarks.measuring.others import watched
from benchmarks.measuring.ratios import ratio_of
from benchmarks.measuring.results import Findings
from benchmarks.telemetry.collectors import HEALTHY, running_collector
from benchmarks.telemetry.ground import NO_EXPORT, export_to, open_gateways

SHAPE, LISTENERS, BACKEND = Shape(8, 32), ("native", "grpcio"), "onnx"
LEAST_RATIO = 0.95
WITH, WITHOUT, COUNTS, TRACES = "with telemetry", "without", "counts alone", "without export"


def measure(pace: Pace) -> Findings:
    """Runs the part."""
    findings = Findings()
    with watched(findings):
        for listener in LISTENERS[:1] if pace.rough else LISTENERS:
            measure_listener(findings, listener, pace)
    return findings


def measure_listener(findings: Findings, listener: str, pace: Pace) -> None:
    """Lets gateways of one listener take turns."""
    title = f"{listener}, {SHAPE} calls of one row"
    with tempfile.TemporaryDirectory(prefix="gapura-") as name, running_collector(HEALTHY) as collector:
        folder, shared = Path(name), {"GAPURA_LISTENER": listener, "GAPURA_TRACE_RATIO": "0.01", **NO_EXPORT}
        settings = {
            WITH: {**shared, "GAPURA_TELEMETRY": f"{folder}/all", **export_to(collector.endpoint)},
            WITHOUT: {**shared, "GAPURA_TELEMETRY_ENABLED": "false"},
        }
        if not pace.rough:
            settings[COUNTS] = {**shared, "GAPURA_TELEMETRY": f"{folder}/counts", "GAPURA_TRACE_RATIO": "0"}
            settings[TRACES] = {**shared, "GAPURA_TELEMETRY": f"{folder}/traces"}
        with open_gateways(BACKEND, settings) as contestants:
            uvloop.run(compare(findings, contestants, pace, folder, title))
    if not collector.answered:
        findings.problems.append(f"{title}: nothing was exported")


async def compare(findings: Findings, contestants: list[Contestant], pace: Pace, scratch: Path, title: str) -> None:
    """Lets the gateways take turns."""
    await verify(contestants, pace)
    rounds = await play(contestants, SHAPE, pace, scratch)
    take(findings, title, rounds)
    off = rounds.pop(WITHOUT)
    for name, on in rounds.items():
        rate = ratio_of([each.calls_per_second for each in on], [each.calls_per_second for each in off])
        cpu = ratio_of([each.cpu_per_1000 for each in on], [each.cpu_per_1000 for each in off])
        findings.figures[f"{title}, {name} over {WITHOUT}"] = {"calls/s": str(rate), "CPU per 1,000 calls": str(cpu)}
        if name == WITH:
            findings.compare(f"calls/s, {title}, {WITH} over {WITHOUT}", rate, at_least=LEAST_RATIO)
