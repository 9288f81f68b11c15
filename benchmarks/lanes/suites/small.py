"""Calls of one row: what lanes gain when many call at once, and what they cost a caller who is alone."""

from benchmarks.lanes.field import Field
from benchmarks.lanes.measurement import play
from benchmarks.lanes.tables import take
from benchmarks.lanes.verification import verify
from benchmarks.measuring.h2load import Shape
from benchmarks.measuring.measurement import Pace
from benchmarks.measuring.ratios import Ratio, difference_of, ratio_of
from benchmarks.measuring.results import Bar, Findings

MANY, FEW, ONE = Shape(8, 32), Shape(8, 8), Shape(1, 1)
LEAST_GAIN, MOST_CPU, MOST_ADDED_MS = 2.0, 0.6, 0.4


async def run(field: Field, pace: Pace) -> Findings:
    """Runs the suite."""
    baseline, gateway = field.baseline(), field.gateway()
    contestants, findings = [baseline, gateway, *field.dynamic()], Findings()
    findings.figures["verified"] = await verify(contestants, pace)
    for shape in (MANY, FEW, ONE):
        rounds = await play(contestants, shape, pace, field.scratch)
        take(findings, f"one row, {shape}", rounds)
        ours, theirs = rounds[gateway.name], rounds[baseline.name]
        if shape == ONE:
            added = difference_of([each.p50_ms for each in ours], [each.p50_ms for each in theirs])
            findings.bars.append(bar(f"p50 that the gateway adds, {shape}, ms", added, at_most=MOST_ADDED_MS))
            continue
        gain = ratio_of([each.calls_per_second for each in ours], [each.calls_per_second for each in theirs])
        cost = ratio_of([each.cpu_per_1000 for each in ours], [each.cpu_per_1000 for each in theirs])
        findings.bars.append(bar(f"calls/s over {baseline.name}, {shape}", gain, at_least=LEAST_GAIN))
        findings.bars.append(bar(f"CPU per 1,000 calls over {baseline.name}, {shape}", cost, at_most=MOST_CPU))
    return findings


def bar(what: str, ratio: Ratio, *, at_least: float | None = None, at_most: float | None = None) -> Bar:
    """Returns the bar for the median of a ratio."""
    return Bar(what, ratio.median, at_least, at_most, f"{ratio.low:.2f} to {ratio.high:.2f}")
