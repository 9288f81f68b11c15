"""What calls notice of a collector that is healthy, slow, refuses, is silent or is not there at all.

For each kind there is a gateway over small trees that exports its traces and metrics, beside one that only writes them
down; calls come at a steady pace, in turns to all, and every answer is checked. One call in ten is traced, and few
spans may wait, so that a collector that takes nothing makes the gateway drop traces within seconds. When all have
ended, every trace was sent or counted as dropped.
"""

import tempfile
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import uvloop

from benchmarks.lanes.contestants import Contestant
from benchmarks.lanes.loads import Tally, ask_at_pace
from benchmarks.lanes.verification import verify
from benchmarks.measuring.measurement import Pace
from benchmarks.measuring.others import watched
from benchmarks.measuring.ratios import difference_of, order_of_round
from benchmarks.measuring.results import Bar, Cell, Findings, Table
from benchmarks.telemetry.collectors import ABSENT, HEALTHY, REFUSING, SILENT, SLOW, Collector, running_collector
from benchmarks.telemetry.ground import NO_EXPORT, counted, export_to, open_gateways, records_in, resident_mib
from gateway.telemetry.families import DROPPED

KINDS, FEW = (ABSENT, REFUSING, SILENT, SLOW, HEALTHY), (ABSENT, HEALTHY)
TAKE_NOTHING = (ABSENT, REFUSING, SILENT)
PER_SECOND = 500.0
MOST_SPANS = 2_000
MOST_ADDED_MS, MOST_ADDED_MIB = 1.0, 128.0
WITHOUT = "no export"
PERCENTILES = (0.5, 0.99)
COLUMNS = ("", "p50 ms", "p99 ms", "max ms", "MiB", "calls")
EXPORTED = ("collector", "kept", "dropped", "requests answered")
SHARED = {"GAPURA_TRACE_RATIO": "0.1", **NO_EXPORT, "OTEL_BSP_MAX_QUEUE_SIZE": str(MOST_SPANS)}


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

    def row(self) -> tuple[Cell, ...]:
        """Returns a row of `COLUMNS` after its name."""
        p50, p99 = (median(self.milliseconds(share)) for share in PERCENTILES)
        worst = max(tally.percentile_ms(1.0) for tally in self.tallies)
        calls = sum(tally.calls for tally in self.tallies)
        return round(p50, 2), round(p99, 2), round(worst), round(self.mib[-1]), calls


async def take_turns(contestants: list[Contestant], rounds: int, seconds: float) -> dict[str, Figures]:
    """Calls all gateways in turns."""
    await verify(contestants, Pace(rounds, seconds, 0.0))
    by_name = {contestant.name: contestant for contestant in contestants}
    figures = {name: Figures() for name in by_name}
    for number in range(rounds):
        for name in order_of_round(list(by_name), number):
            contestant, mine = by_name[name], figures[name]
            mine.tallies.append(await ask_at_pace(contestant, PER_SECOND, seconds))
            mine.mib.append(resident_mib(contestant.roots[0]))
    return figures


def judge(findings: Findings, kind: str, on: Figures, off: Figures) -> None:
    """Adds what is promised of the gateway that exports to a kind of collector."""
    for share in PERCENTILES:
        added = difference_of(on.milliseconds(share), off.milliseconds(share))
        findings.compare(f"{kind}, p{100 * share:.0f} that export adds, ms", added, at_most=MOST_ADDED_MS)
    grown = [figures.mib[-1] - figures.mib[0] for figures in (on, off)]
    words = f"grew by {grown[0]:.0f} MiB after the first round, the other by {grown[1]:.0f}"
    added_mib = on.mib[-1] - off.mib[-1]
    findings.bars.append(Bar(f"{kind}, memory that export adds, MiB", added_mib, at_most=MOST_ADDED_MIB, spread=words))


def settle(findings: Findings, kind: str, folder: Path, collector: Collector) -> tuple[Cell, ...]:
    """Adds what is promised of the traces, when all have ended; returns a row of `EXPORTED`."""
    kept, dropped = len(records_in(folder)), counted(folder, DROPPED, "export")
    if kind in TAKE_NOTHING:
        findings.bars.append(Bar(f"{kind}, traces neither sent nor counted", abs(kept - dropped), at_most=0))
    elif kind == HEALTHY:
        findings.bars.append(Bar(f"{kind}, traces dropped", dropped, at_most=0))
    if not collector.answered and kind not in {ABSENT, SILENT}:
        findings.problems.append(f"{kind}: nothing was exported")
    return kind, kept, round(dropped), collector.answered


def measure(pace: Pace) -> Findings:
    """Runs the part."""
    findings = Findings()
    with watched(findings), tempfile.TemporaryDirectory(prefix="gapura-") as name:
        folders = {kind: Path(name) / kind for kind in (WITHOUT, *(FEW if pace.rough else KINDS))}
        with ExitStack() as stack:
            collectors = {kind: stack.enter_context(running_collector(kind)) for kind in folders if kind != WITHOUT}
            settings = {kind: {**SHARED, "GAPURA_TELEMETRY": str(folder)} for kind, folder in folders.items()}
            for kind, collector in collectors.items():
                settings[kind] |= export_to(collector.endpoint)
            with open_gateways("onnx", settings) as contestants:
                figures = uvloop.run(take_turns(contestants, pace.rounds, pace.seconds))
        rows = tuple((kind, *each.row()) for kind, each in figures.items())
        findings.tables.append(Table(f"{PER_SECOND:.0f} calls/s, by collector", COLUMNS, rows))
        for kind in collectors:
            judge(findings, kind, figures[kind], figures[WITHOUT])
        exported = tuple(settle(findings, kind, folders[kind], each) for kind, each in collectors.items())
        findings.tables.append(Table("traces", EXPORTED, exported))
    for kind, each in figures.items():
        problems = sum((tally.problems for tally in each.tallies), Counter[str]())
        findings.problems += [f"{kind}: {times} times {problem}" for problem, times in problems.items()]
    return findings
