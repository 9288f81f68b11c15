"""Throughput and p99 against the number of calls under way, with lanes and without."""

from statistics import median

from benchmarks.lanes.field import Field
from benchmarks.lanes.measurement import play
from benchmarks.lanes.tables import take
from benchmarks.lanes.verification import verify
from benchmarks.measuring.h2load import Shape
from benchmarks.measuring.measurement import Pace
from benchmarks.measuring.results import Findings

CONCURRENCIES = (1, 4, 16, 64, 256, 512)
MOST_CONNECTIONS = 8
CURVES = "curves"


def shape_of(concurrency: int) -> Shape:
    """Spreads calls over connections."""
    connections = min(concurrency, MOST_CONNECTIONS)
    return Shape(connections, concurrency // connections)


async def run(field: Field, pace: Pace) -> Findings:
    """Runs the suite."""
    alone = field.single()
    contestants = [field.gateway(), alone, *([field.direct()] if field.arena.nodes else []), *field.dynamic()]
    findings = Findings()
    findings.figures["verified"] = await verify(contestants, pace)
    curves: dict[str, list[dict[str, float]]] = {contestant.name: [] for contestant in contestants}
    for concurrency in CONCURRENCIES:
        rounds = await play(contestants, shape_of(concurrency), pace, field.scratch)
        take(findings, f"{concurrency} calls under way", rounds, may_shed={alone.name})
        for name, measured in rounds.items():
            rates, tails = [each.calls_per_second for each in measured], [each.p99_ms for each in measured]
            point = {"concurrency": concurrency, "calls_per_second": median(rates), "p99_ms": median(tails)}
            point |= {"lowest": min(rates), "highest": max(rates), "p99_low": min(tails), "p99_high": max(tails)}
            curves[name].append(point)
    findings.figures[CURVES] = curves
    return findings
