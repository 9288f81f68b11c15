"""Measures the edge: `python -m benchmarks.edge.run [--quick]`, from the root of a checkout.

What it finds is printed, and kept in `benchmarks/results/edge.json`.
"""

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median

import uvloop

from benchmarks.edge import ground
from benchmarks.edge.contestants import Contestant, verify
from benchmarks.edge.measurement import Measurement, play
from benchmarks.lanes.h2load import Shape, require_h2load
from benchmarks.lanes.machine import this_machine
from benchmarks.lanes.measurement import Pace
from benchmarks.lanes.ratios import ratio_of
from benchmarks.lanes.report import render_table
from benchmarks.lanes.results import Bar

SHAPE = Shape(8, 32)
THOROUGH, QUICK = Pace(rounds=6, seconds=4.0, warm_up_seconds=1.0), Pace(rounds=2, seconds=2.0, warm_up_seconds=0.7)
RESULTS = Path("benchmarks/results/edge.json")
STAGES = ("Envoy", "workers", "Triton")
COLUMNS = (
    "",
    "calls/s",
    "over direct",
    "p50 ms",
    "p99 ms",
    *(f"{stage} CPU s per 1,000" for stage in STAGES),
    "all",
    "unanswered",
)
BARS = (
    (ground.EDGE, ground.DIRECT, 1.3),
    (ground.EDGE, ground.BEFORE, 1.5),
    (ground.EDGE_TWO, ground.DIRECT, 1.3),
    (ground.EDGE_TWO, ground.BEFORE, 1.5),
    (ground.EDGE_TLS, ground.DIRECT, 1.0),
    (ground.EDGE_TWO_TLS, ground.DIRECT, 1.0),
    (ground.NATIVE, ground.GRPCIO, 3.0),
    (ground.NATIVE_LIVE, ground.GRPCIO_LIVE, 5.0),
)
Rounds = Mapping[str, Sequence[Measurement]]


async def measure(contestants: Sequence[Contestant], pace: Pace) -> Rounds:
    """Verifies and measures the contestants."""
    with tempfile.TemporaryDirectory(prefix="gapura-bench-") as scratch:
        return await play(contestants, await verify(contestants), SHAPE, pace, Path(scratch))


def bars_of(rounds: Rounds) -> list[Bar]:
    """Returns what was aimed at, and what was reached."""
    bars = []
    for name, other, least in BARS:
        ratio = ratio_of(rates_of(rounds[name]), rates_of(rounds[other]))
        bars.append(Bar(f"{name} over {other}", ratio.median, least, spread=f"{ratio.low:.2f} to {ratio.high:.2f}"))
    return bars


def rates_of(measured: Sequence[Measurement]) -> list[float]:
    """Returns the calls per second of each round."""
    return [each.calls_per_second for each in measured]


def rows_of(rounds: Rounds) -> list[tuple[object, ...]]:
    """Returns the medians of all rounds, a row for each contestant."""
    return [(name, *figures_of(measured, rates_of(rounds[ground.DIRECT]))) for name, measured in rounds.items()]


def figures_of(measured: Sequence[Measurement], direct: Sequence[float]) -> tuple[object, ...]:
    """Returns a contestant's medians."""
    stages = [median(each.cpu_per_1000.get(stage, 0.0) for each in measured) for stage in STAGES]
    return (
        round(median(rates_of(measured))),
        f"{ratio_of(rates_of(measured), direct).median:.2f}",
        f"{median(each.p50_ms for each in measured):.1f}",
        f"{median(each.p99_ms for each in measured):.1f}",
        *(f"{stage:.3f}" for stage in stages),
        f"{sum(stages):.3f}",
        sum(each.unanswered for each in measured),
    )


def main(*options: str) -> None:
    """Measures, prints and keeps."""
    require_h2load()
    machine, pace = this_machine(), QUICK if "--quick" in options else THOROUGH
    with ground.open_ground() as contestants:
        rounds = uvloop.run(measure(list(contestants.values()), pace))
    bars = bars_of(rounds)
    print(machine, f"{SHAPE}, {pace.rounds} rounds of {pace.seconds:g} s", sep="; ")
    print("\n".join(render_table(COLUMNS, rows_of(rounds))), *bars, sep="\n")
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    kept = {"machine": str(machine), "rounds": {name: list(map(asdict, each)) for name, each in rounds.items()}}
    RESULTS.write_text(json.dumps(kept | {"bars": list(map(str, bars))}, indent=1) + "\n")
    if any(each.unanswered for measured in rounds.values() for each in measured):
        sys.exit("calls were not answered, see above")


if __name__ == "__main__":
    main(*sys.argv[1:])
