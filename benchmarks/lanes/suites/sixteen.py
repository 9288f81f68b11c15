"""Calls of sixteen rows, which their callers have merged already: lanes must still pay."""

from benchmarks.lanes.field import Field
from benchmarks.lanes.measurement import play
from benchmarks.lanes.tables import take
from benchmarks.lanes.verification import verify
from benchmarks.measuring.h2load import Shape
from benchmarks.measuring.measurement import Pace
from benchmarks.measuring.ratios import ratio_of
from benchmarks.measuring.results import Bar, Findings

ROWS, SHAPE, LEAST_GAIN = 16, Shape(8, 32), 1.2


async def run(field: Field, pace: Pace) -> Findings:
    """Runs the suite; without Triton there is nothing to hold the gateway against."""
    findings = Findings()
    if not field.arena.nodes:
        return findings
    baseline, gateway = field.direct(rows_each=ROWS), field.gateway(rows_each=ROWS)
    contestants = [baseline, gateway, *field.dynamic(ROWS)]
    findings.figures["verified"] = await verify(contestants, pace)
    rounds = await play(contestants, SHAPE, pace, field.scratch)
    take(findings, f"{ROWS} rows, {SHAPE}", rounds)
    rates = {name: [each.calls_per_second for each in measured] for name, measured in rounds.items()}
    gain = ratio_of(rates[gateway.name], rates[baseline.name])
    spread = f"{gain.low:.2f} to {gain.high:.2f}"
    findings.bars.append(Bar(f"calls/s over {baseline.name}", gain.median, LEAST_GAIN, spread=spread))
    return findings
