"""Calls a second and CPU of a gateway with all of telemetry, against one without: 8 connections x 32 calls under way.

    python -m benchmarks.telemetry.throughput [--listeners native,grpcio] [--rounds 7] [--seconds 5] [--parts]

Needs `h2load`, and the extra `otlp`. Two gateways in processes of their own over the same small trees, asked in turns
by `h2load`; every answer is checked before the clock starts, those of a caller beside the load while it runs, and the
size of all others. The one keeps one call in a hundred, writes it down and exports it over gRPC to a collector beside
it, as it does with its metrics; the other has `GAPURA_TELEMETRY_ENABLED=false`. With `--parts` there are two more: one
that counts alone, and one that writes traces down but exports nothing. Each round is a ratio. It ends with status 1
when the median of that of the first two is below 0.95.
"""

import argparse
import tempfile
from pathlib import Path

import uvloop

from benchmarks.lanes.contestants import Contestant
from benchmarks.lanes.measurement import play
from benchmarks.lanes.suites.small import bar
from benchmarks.lanes.tables import take
from benchmarks.lanes.verification import verify
from benchmarks.measuring.h2load import Shape, require_h2load
from benchmarks.measuring.machine import this_machine
from benchmarks.measuring.measurement import Pace
from benchmarks.measuring.ratios import ratio_of
from benchmarks.measuring.report import announce
from benchmarks.measuring.results import Bar, Findings
from benchmarks.telemetry.collectors import HEALTHY, running_collector
from benchmarks.telemetry.ground import NO_EXPORT, export_to, open_gateways, watched_machine

SHAPE = Shape(8, 32)
LEAST_RATIO = 0.95
WITH, WITHOUT, COUNTS, TRACES = "with telemetry", "without", "counts alone", "without export"
WARM_UP_SECONDS = 1.0


async def compare(contestants: list[Contestant], pace: Pace, scratch: Path, title: str) -> Findings:
    """Lets the gateways take turns."""
    findings = Findings()
    await verify(contestants, pace)
    rounds = await play(contestants, SHAPE, pace, scratch)
    take(findings, title, rounds)
    off = rounds.pop(WITHOUT)
    for name, on in rounds.items():
        rate = ratio_of([each.calls_per_second for each in on], [each.calls_per_second for each in off])
        cpu = ratio_of([each.cpu_per_1000 for each in on], [each.cpu_per_1000 for each in off])
        findings.figures[name] = f"{name}, over without: calls/s {rate}, CPU per 1,000 calls {cpu}"
        if name == WITH:
            findings.bars.append(bar(f"calls/s, {title}", rate, at_least=LEAST_RATIO))
    return findings


def run(listener: str, chosen: argparse.Namespace) -> list[Bar]:
    """Measures one listener; returns the bars.

    Raises:
        AssertionError: Answers were wrong, or the collector got nothing.
    """
    pace = Pace(chosen.rounds, chosen.seconds, WARM_UP_SECONDS)
    title = f"{listener}, {SHAPE} calls of {chosen.rows} rows"
    with tempfile.TemporaryDirectory(prefix="gapura-") as name, running_collector(HEALTHY) as collector:
        folder, shared = Path(name), {"GAPURA_LISTENER": listener, "GAPURA_TRACE_RATIO": "0.01", **NO_EXPORT}
        settings = {
            WITH: {**shared, "GAPURA_TELEMETRY": f"{folder}/all", **export_to(collector.endpoint)},
            WITHOUT: {**shared, "GAPURA_TELEMETRY_ENABLED": "false"},
        }
        if chosen.parts:
            settings[COUNTS] = {**shared, "GAPURA_TELEMETRY": f"{folder}/counts", "GAPURA_TRACE_RATIO": "0"}
            settings[TRACES] = {**shared, "GAPURA_TELEMETRY": f"{folder}/traces"}
        with open_gateways(chosen.backend, settings, chosen.rows) as contestants:
            findings = uvloop.run(compare(contestants, pace, folder, title))
    print(announce(title, findings))
    print("\n".join(findings.figures[name] for name in settings if name != WITHOUT))
    print(f"the collector answered {collector.answered} requests", flush=True)
    assert not findings.problems, findings.problems
    assert collector.answered, "nothing was exported"
    return findings.bars


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--listeners", default="native,grpcio")
    parser.add_argument("--backend", default="onnx", choices=("onnx", "triton"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rows", type=int, default=1)
    parser.add_argument("--parts", action="store_true")
    chosen = parser.parse_args()
    require_h2load()
    print(this_machine(), flush=True)
    bars: list[Bar] = []
    for listener in chosen.listeners.split(","):
        with watched_machine():
            bars += run(listener, chosen)
    raise SystemExit("a bar is missed" if not all(bar_.reached for bar_ in bars) else 0)


if __name__ == "__main__":
    main()
