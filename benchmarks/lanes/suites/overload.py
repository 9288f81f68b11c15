"""Five times as many calls as can be answered, with deadlines of 100 ms: what gets through, and what refusing costs."""

import asyncio
import math
from collections.abc import Sequence

import numpy as np

from benchmarks.lanes.contestants import Contestant
from benchmarks.lanes.field import HEAVY, NARROW, SMALL, Field
from benchmarks.lanes.floods import Wave, find_capacity, flood
from benchmarks.lanes.loads import SHED
from benchmarks.lanes.verification import verify
from benchmarks.measuring.http2 import DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED
from benchmarks.measuring.measurement import Pace
from benchmarks.measuring.results import Bar, Cell, Findings, Table

DEADLINE_MS, DEADLINE_SECONDS = 100, 0.1
FACTORS = (0.8, 1.5, 2.5, 5.0)
LEAST_GOODPUT, MOST_P99_MS, MOST_REFUSAL = 0.9, 100.0, 0.1
REST_SECONDS = 2.0
COLUMNS = (
    "offered",
    "calls/s offered",
    "answered in time/s",
    "p50 ms",
    "p99 ms",
    "shed",
    "refused",
    "expired",
    "late",
    "CPU cores",
    "of them the gateway",
)


async def run(field: Field, pace: Pace) -> Findings:
    """Runs the suite."""
    findings = Findings()
    for model in (NARROW, HEAVY, SMALL):
        contestant = field.gateway(model)
        await verify([contestant], pace)
        await overload(contestant, field, pace, findings)
    return findings


async def overload(contestant: Contestant, field: Field, pace: Pace, findings: Findings) -> None:
    """Floods one model at growing paces."""
    model = contestant.model
    peak = await find_capacity(contestant, pace.seconds, DEADLINE_MS, field.scratch)
    waves = []
    for factor in FACTORS:
        waves.append(await flood(contestant, factor * peak, 2 * pace.seconds, field.scratch, DEADLINE_MS))
        await asyncio.sleep(REST_SECONDS)
    rows = tuple(describe(factor, wave) for factor, wave in zip(FACTORS, waves, strict=True))
    findings.tables.append(Table(f"{model}, peak {peak:.0f} answered calls/s", COLUMNS, rows))
    findings.figures[model] = {"peak": peak, "waves": [dict(zip(COLUMNS, row, strict=True)) for row in rows]}
    worst = waves[-1]
    reached = f"{worst.offered / peak:.1f} times the peak"
    goodput, p99 = worst.goodput(DEADLINE_SECONDS) / peak, worst.sample.percentile_ms(0.99)
    admitted, refused = costs_of(waves[1:])
    findings.figures[model] |= {"cpu_seconds_per_answered": admitted, "cpu_seconds_per_shed": refused}
    findings.bars += [
        Bar(f"{model}: goodput of its peak at {reached}", goodput, at_least=LEAST_GOODPUT),
        Bar(f"{model}: p99 of answered calls at {reached}, ms", p99, at_most=MOST_P99_MS),
        Bar(
            f"{model}: CPU of a refused call over an answered one",
            refused / admitted if admitted else math.nan,
            at_most=MOST_REFUSAL,
        ),
    ]
    wrong = sum(wave.sample.wrong for wave in waves)
    failed = sum(wave.sample.failed(*SHED) for wave in waves)
    if wrong or failed:
        told = [problem for wave in waves for problem, _ in wave.sample.problems.most_common(2)]
        findings.problems.append(f"{model}: {wrong} wrong, {failed} failed otherwise than by being shed: {told}")


def describe(factor: float, wave: Wave) -> tuple[Cell, ...]:
    """Returns a row of `COLUMNS`."""
    sample = wave.sample
    late = len(sample.latencies) - sample.wrong - sample.answered_within(DEADLINE_SECONDS)
    return (
        f"{factor:g} x",
        round(wave.offered),
        round(wave.goodput(DEADLINE_SECONDS)),
        round(sample.percentile_ms(0.5), 1),
        round(sample.percentile_ms(0.99), 1),
        f"{wave.shed / wave.calls:.1%}",
        f"{sample.codes[RESOURCE_EXHAUSTED] / max(sample.calls, 1):.1%}",
        f"{sample.codes[DEADLINE_EXCEEDED] / max(sample.calls, 1):.1%}",
        f"{late / max(sample.calls, 1):.1%}",
        round(wave.cpu_seconds / wave.seconds, 2),
        round(wave.gateway_cpu_seconds / wave.seconds, 2),
    )


def costs_of(waves: Sequence[Wave]) -> tuple[float, float]:
    """Returns the CPU seconds of an answered call and of one that was shed, by least squares over mixes of both."""
    if not any(wave.answered for wave in waves) or not any(wave.shed for wave in waves):
        return math.nan, math.nan
    mixes = np.array([[wave.answered, wave.shed] for wave in waves], float)
    seconds = np.array([wave.cpu_seconds for wave in waves])
    answered, shed = np.linalg.lstsq(mixes, seconds, rcond=None)[0]
    return max(float(answered), 0.0), max(float(shed), 0.0)
