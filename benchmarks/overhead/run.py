"""What a gateway adds to the call of a caller who is alone, where that time goes, and what a start takes."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import uvloop

from benchmarks.measuring.contestants import Contestant
from benchmarks.measuring.h2load import Shape
from benchmarks.measuring.measurement import Measurement, Pace, play
from benchmarks.measuring.others import watched
from benchmarks.measuring.ratios import Ratio, difference_of, order_of_round
from benchmarks.measuring.results import Findings, Table
from benchmarks.measuring.verification import verify
from benchmarks.overhead import stages
from benchmarks.overhead.ground import DIRECT, EDGE, EMBEDDED, GATEWAYS, NATIVE, open_ground, open_small
from benchmarks.overhead.starts import start_once

ALONE, MOST_ADDED_MS = Shape(1, 1), 0.4
THOROUGH = Pace(rounds=12, seconds=3.0, warm_up_seconds=0.5, look_seconds=1.0)
QUICK = Pace(rounds=4, seconds=0.6, warm_up_seconds=0.2, look_seconds=0.5)
"""Who looks at answers is company, so that happens seldom."""

Rounds = Mapping[str, Sequence[Measurement]]
STARTED = (EMBEDDED, NATIVE, EDGE)


def measure(pace: Pace) -> Findings:
    """Lets a lone caller ask in every way, and looks into calls of which traces are kept."""
    with open_small(triton=True) as place, tempfile.TemporaryDirectory(prefix="gapura-bench-") as scratch:
        folders = {name: Path(scratch, f"telemetry{number}") for number, name in enumerate(GATEWAYS)}
        with open_ground(place, folders) as contestants:
            return compare(contestants, folders, pace)


def compare(contestants: Mapping[str, Contestant], folders: Mapping[str, Path], pace: Pace) -> Findings:
    """Compares gateways, of which there is a folder of telemetry, with Triton asked directly."""
    with tempfile.TemporaryDirectory(prefix="gapura-bench-") as scratch:
        found = list(contestants.values())
        sizes = uvloop.run(verify(found))
        rounds = uvloop.run(play(found, sizes, ALONE, pace, Path(scratch)))
        traced = [stages.traced(contestants[name]) for name in folders]
        seen = uvloop.run(play(traced, sizes, ALONE, replace(pace, rounds=1), Path(scratch)))
    inside = {name: stages.medians_of(stages.read_calls(folder)) for name, folder in folders.items()}
    added = {name: added_by(rounds, name) for name in folders}
    rows = tuple((name, *map(str, each.values())) for name, each in added.items())
    findings = Findings()
    findings.take("one caller, one row", rounds)
    title = f"added to {DIRECT}, with the lowest and highest round"
    findings.tables.append(Table(title, ("", "p50 ms", "p99 ms"), rows))
    findings.take("the same, every call traced", seen)
    findings.tables.append(stages.tabulate(inside, {name: each.p50_ms for name, (each,) in seen.items()}))
    findings.figures["stages"] = inside
    findings.compare(f"ms that {NATIVE} adds to the median", added[NATIVE]["p50_ms"], at_most=MOST_ADDED_MS)
    return findings


def added_by(rounds: Rounds, name: str) -> dict[str, Ratio]:
    """Returns what a gateway adds to percentiles of Triton's."""
    return {
        figure: difference_of(*([getattr(each, figure) for each in rounds[who]] for who in (name, DIRECT)))
        for figure in ("p50_ms", "p99_ms")
    }


def measure_starts(pace: Pace) -> Findings:
    """Starts gateways again and again; the node that they ask runs all the time."""
    did: dict[str, list[tuple[float, float]]] = {name: [] for name in STARTED}
    times, findings = (pace.rounds + 1) // 2, Findings()
    with watched(findings), open_small(triton=True) as place:
        for number in range(times):
            for name in order_of_round(STARTED, number):
                did[name].append(start_once(place, name))
    rows = []
    for name, starts in did.items():
        seconds, mib = zip(*starts, strict=True)
        findings.figures[name] = {"first_answer_seconds": seconds, "rss_mib": mib}
        rows.append(
            (name, *(round(each, 2) for each in (median(seconds), min(seconds), max(seconds))), round(median(mib)))
        )
    columns = ("", "first right answer after s", "least", "most", "RSS MiB at rest, Triton aside")
    findings.tables.append(Table(f"{times} starts each", columns, tuple(rows)))
    return findings


PARTS = {"alone": measure, "starts": measure_starts}
