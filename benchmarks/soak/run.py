"""Half an hour of mixed load on one gateway over Triton: memory must not grow, nor may latency.

Raw and typed calls come in bulk, the typed ones with stored features; beside them answers are looked at, calls are
bad, are cancelled, and stream, and the catalog changes. It all comes at half the rate that the machine can answer.
"""

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import uvloop

from benchmarks.measuring.measurement import Pace
from benchmarks.measuring.others import watched
from benchmarks.measuring.results import Bar, Findings, Table
from benchmarks.measuring.verification import verify
from benchmarks.soak import plots
from benchmarks.soak.ground import TRITON, Ground, open_ground
from benchmarks.soak.guests import Guests
from benchmarks.soak.soaking import CALIBRATION_SECONDS, Soak
from benchmarks.soak.trends import (
    cpu_per_1000,
    edges,
    least_squares,
    median_p99_ms,
    memory_over_calls,
    p99_ms,
    theil_sen,
)
from benchmarks.soak.windows import Window

THOROUGH, QUICK = Pace(rounds=1, seconds=1800.0, warm_up_seconds=120.0), Pace(1, 60.0, 10.0)
CONCLUSIVE_SECONDS = 900.0
EDGE_SECONDS = 300.0
MOST_MB, MOST_RATIO = 1.0, 1.1


def measure(pace: Pace, backend: str = "triton") -> Findings:
    """Runs the suite; the seconds of the pace contain its warm-up."""
    findings = Findings()
    with (
        open_ground(backend) as ground,
        tempfile.TemporaryDirectory(prefix="gapura-bench-") as scratch,
        watched(findings, ground.stages.get(TRITON, ())),
    ):
        soak = uvloop.run(go_through(ground, pace, Path(scratch)))
    warm = [window for window in soak.windows if window.ended > pace.warm_up_seconds]
    tell_trends(findings, warm, conclusive=pace.seconds >= CONCLUSIVE_SECONDS)
    tell_calls(findings, soak)
    findings.figures["windows"] = [window.described() for window in soak.windows]
    findings.pictures["soak"] = partial(plots.draw, soak.windows, pace.warm_up_seconds)
    return findings


async def go_through(ground: Ground, pace: Pace, scratch: Path) -> Soak:
    """Lets it soak."""
    sizes = await verify([*ground.loads.values(), *ground.looked_at])
    guests = Guests(ground.arena.address, next(iter(ground.loads.values())).headers)
    soak = Soak(ground, sizes, scratch, guests)
    await soak.calibrate(min(CALIBRATION_SECONDS, pace.seconds))
    await soak.last(pace.seconds)
    return soak


def tell_trends(findings: Findings, windows: Sequence[Window], *, conclusive: bool) -> None:
    """Adds what memory, latency and CPU did after the warm-up, and what is promised where that took long enough."""
    first, last = edges(windows, min(EDGE_SECONDS, (windows[-1].ended - windows[0].ended) / 3))
    half = windows[len(windows) // 2 :]
    slope, ratio = theil_sen(*memory_over_calls(windows)), p99_ms(last) / p99_ms(first)
    calls = sum(window.made for window in windows)
    title = f"{calls:,} calls after the warm-up" + ("" if conclusive else ", too few to conclude anything from")
    slopes = (
        ("Theil-Sen, all", slope),
        ("Theil-Sen, second half", theil_sen(*memory_over_calls(half))),
        ("least squares, all", least_squares(*memory_over_calls(windows))),
        ("least squares, second half", least_squares(*memory_over_calls(half))),
    )
    rows = tuple((name, round(each, 3)) for name, each in slopes)
    findings.tables.append(Table(f"{title}: memory of the gateway, MB per 1,000,000 calls", ("", "slope"), rows))
    findings.tables.append(compose_edges(first, last))
    findings.figures["slopes"] = dict(slopes)
    if conclusive:
        findings.bars.append(Bar("MB of RAM per 1,000,000 calls, Theil-Sen", slope, at_most=MOST_MB))
        findings.bars.append(Bar("p99 of the last 5 minutes over the first 5", ratio, at_most=MOST_RATIO))


def compose_edges(first: Sequence[Window], last: Sequence[Window]) -> Table:
    """Returns the beginning and the end side by side."""
    loads, stages = first[0].seconds, first[0].held.stages_mb
    figures: dict[str, Callable[[Sequence[Window]], float]] = {
        "p99 ms": p99_ms,
        "p99 ms, median of windows": median_p99_ms,
        **{f"p99 ms, {load}": partial(p99_ms, load=load) for load in loads},
        "CPU s per 1,000": cpu_per_1000,
        **{f"{stage}, MB": partial(stage_mb, stage=stage) for stage in stages},
        "file descriptors": lambda windows: windows[-1].held.files,
        "threads": lambda windows: windows[-1].held.threads,
    }
    rows = []
    for name, figure in figures.items():
        before, after = figure(first), figure(last)
        rows.append((name, round(before, 3), round(after, 3), round(after / before, 3) if before else ""))
    return Table("the first minutes and the last", ("", "first", "last", "ratio"), tuple(rows))


def stage_mb(windows: Sequence[Window], stage: str) -> float:
    """Returns what a stage holds in the end."""
    return windows[-1].held.stages_mb[stage]


def tell_calls(findings: Findings, soak: Soak) -> None:
    """Adds what became of calls."""
    windows, guests = soak.windows, soak.guests
    unanswered, wrong = sum(window.unanswered for window in windows), sum(window.wrong for window in windows)
    made = {name: sum(len(window.seconds[name]) for window in windows) for name in soak.rates}
    rows = [(f"{name}, at {rate:,.0f}/s", made[name]) for name, rate in soak.rates.items()]
    rows += [("looked at", sum(window.looked_at for window in windows)), *sorted(guests.outcomes.items())]
    rows += [("unanswered", unanswered), ("wrong", wrong)]
    findings.tables.append(Table("calls", ("", "number"), tuple(rows)))
    findings.problems += [f"{times} times {problem}" for problem, times in guests.problems.items()]
    if unanswered or wrong:
        findings.problems.append(f"{unanswered} calls of loads without an answer, {wrong} wrong answers")


PARTS = {"mixed": measure}
