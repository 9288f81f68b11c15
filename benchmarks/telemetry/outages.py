"""What calls notice of a collector that is healthy, slow, refuses, is silent or is not there at all.

    python -m benchmarks.telemetry.outages [--kinds absent,refusing,silent,slow,healthy] [--rounds 9] [--seconds 4]

Needs the extra `otlp`. For each kind there are two gateways over small trees, one that exports its traces and metrics
and one that only writes them down; calls come at a steady pace, in turns to both, and every answer is checked. One call
in ten is traced, and few spans may wait, so that a collector that takes nothing makes the gateway drop traces within
seconds. When both have ended, every trace was sent or counted as dropped. It ends with status 1 when calls of the
gateway that exports are more than 1 ms slower, at p50 or p99 in the median of the rounds, when its processes have more
than 128 MiB more than the other, or when traces are lost that nobody counted.
"""

import argparse
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from benchmarks.lanes.contestants import Contestant
from benchmarks.lanes.loads import Tally, ask_at_pace
from benchmarks.lanes.machine import this_machine
from benchmarks.lanes.measurement import Pace
from benchmarks.lanes.ratios import difference_of, order_of_round, ratio_of
from benchmarks.lanes.results import Bar
from benchmarks.lanes.suites.small import bar
from benchmarks.lanes.verification import verify
from benchmarks.telemetry.collectors import ABSENT, HEALTHY, REFUSING, SILENT, SLOW, running_collector
from benchmarks.telemetry.ground import (
    NO_EXPORT,
    counted,
    export_to,
    open_gateways,
    records_in,
    resident_mib,
    watched_machine,
)
from gateway.telemetry.families import DROPPED

KINDS = (ABSENT, REFUSING, SILENT, SLOW, HEALTHY)
TAKE_NOTHING = (ABSENT, REFUSING, SILENT)
PER_SECOND = 500.0
MOST_SPANS = 2_000
MOST_ADDED_MS, MOST_ADDED_MIB = 1.0, 128.0
WITH, WITHOUT = "with export", "without"
PERCENTILES = (0.5, 0.99)


@dataclass(slots=True)
class Figures:
    """What became of the calls of one gateway, round by round.

    Attributes:
        tallies: Of the rounds.
        mib: Memory of its processes after each.
    """

    tallies: list[Tally] = field(default_factory=list)
    mib: list[float] = field(default_factory=list)

    def milliseconds(self, share: float) -> list[float]:
        """Returns what a share of the calls of each round stayed below."""
        return [tally.percentile_ms(share) for tally in self.tallies]

    def __str__(self) -> str:
        worst = max(tally.percentile_ms(1.0) for tally in self.tallies)
        p50, p99 = (sorted(self.milliseconds(share))[len(self.tallies) // 2] for share in PERCENTILES)
        return f"p50 {p50:5.2f} ms   p99 {p99:6.2f} ms   max {worst:4.0f} ms   {self.mib[-1]:4.0f} MiB"


async def take_turns(contestants: list[Contestant], rounds: int, seconds: float) -> dict[str, Figures]:
    """Calls both gateways in turns."""
    await verify(contestants, Pace(rounds, seconds, 0.0))
    by_name = {contestant.name: contestant for contestant in contestants}
    figures = {name: Figures() for name in by_name}
    for number in range(rounds):
        for name in order_of_round(list(by_name), number):
            contestant, mine = by_name[name], figures[name]
            mine.tallies.append(await ask_at_pace(contestant, PER_SECOND, seconds))
            mine.mib.append(resident_mib(contestant.roots[0]))
    return figures


def judge(kind: str, figures: dict[str, Figures]) -> list[Bar]:
    """Prints what both did; returns what is promised of them."""
    on, off = figures[WITH], figures[WITHOUT]
    for name, each in figures.items():
        print(f"{kind:9} {name:12} {each}")
        problems = [problem for tally in each.tallies for problem in tally.problems]
        assert not problems, problems
    bars = []
    for share in PERCENTILES:
        ours, theirs = on.milliseconds(share), off.milliseconds(share)
        what = f"{kind}, p{100 * share:.0f} that export adds, ms"
        bars.append(bar(what, difference_of(ours, theirs), at_most=MOST_ADDED_MS))
        print(f"{kind:9} p{100 * share:.0f}: with export over without {ratio_of(ours, theirs)}")
    grown = [mine - mine_first for mine, mine_first in ((on.mib[-1], on.mib[0]), (off.mib[-1], off.mib[0]))]
    added = on.mib[-1] - off.mib[-1]
    words = f"grew by {grown[0]:.0f} MiB after the first round, the other by {grown[1]:.0f}"
    bars.append(Bar(f"{kind}, memory that export adds, MiB", added, at_most=MOST_ADDED_MIB, spread=words))
    return bars


def run(kind: str, rounds: int, seconds: float) -> list[Bar]:
    """Measures one kind of collector; returns what is promised."""
    with tempfile.TemporaryDirectory(prefix="gapura-") as name:
        folder = Path(name)
        with running_collector(kind) as collector:
            shared = {"GAPURA_TRACE_RATIO": "0.1", **NO_EXPORT, "OTEL_BSP_MAX_QUEUE_SIZE": str(MOST_SPANS)}
            settings = {
                WITH: {**shared, "GAPURA_TELEMETRY": f"{folder}/{WITH}", **export_to(collector.endpoint)},
                WITHOUT: {**shared, "GAPURA_TELEMETRY": f"{folder}/{WITHOUT}"},
            }
            with open_gateways("onnx", settings) as contestants:
                figures = uvloop.run(take_turns(contestants, rounds, seconds))
        bars = judge(kind, figures)
        kept, dropped = len(records_in(folder / WITH)), counted(folder / WITH, DROPPED, "export")
        print(f"{kind:9} traces: {kept:,} kept, {dropped:,.0f} dropped; requests answered: {collector.answered:,}")
        if kind in TAKE_NOTHING:
            bars.append(Bar(f"{kind}, traces that were neither sent nor counted", abs(kept - dropped), at_most=0))
        elif kind == HEALTHY:
            bars.append(Bar(f"{kind}, traces dropped", dropped, at_most=0))
        assert collector.answered or kind in {ABSENT, SILENT}, "nothing was exported"
    print("\n".join(map(str, bars)), flush=True)
    return bars


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=4.0)
    chosen = parser.parse_args()
    print(this_machine(), flush=True)
    bars: list[Bar] = []
    for kind in chosen.kinds.split(","):
        with watched_machine():
            bars += run(kind, chosen.rounds, chosen.seconds)
    raise SystemExit("a bar is missed" if not all(bar_.reached for bar_ in bars) else 0)


if __name__ == "__main__":
    main()
