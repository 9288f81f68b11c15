"""A caller of high priority among a flood of calls of low priority: what it notices."""

import asyncio

from benchmarks.lanes.field import NARROW, PATIENT, SMALL, URGENT, Field
from benchmarks.lanes.floods import find_capacity, start_flood
from benchmarks.lanes.loads import Tally, ask_at_pace
from benchmarks.lanes.suites.flood import report
from benchmarks.lanes.verification import verify
from benchmarks.measuring import h2load
from benchmarks.measuring.measurement import Pace
from benchmarks.measuring.results import Findings

TIMES, SHARE_USED = 5.0, 0.1
DEADLINE_MS, MOST_RISE = 1_000, 2.0
ALONE, FLOODED = "the urgent caller alone", "beside a patient flood"


async def run(field: Field, pace: Pace) -> Findings:
    """Runs the suite."""
    findings = Findings()
    for model in (NARROW, SMALL):
        urgent = field.gateway(model, tenant=URGENT)
        await verify([urgent], pace)
        capacity = await find_capacity(urgent, pace.seconds, DEADLINE_MS, field.scratch)
        rounds: dict[str, list[list[Tally]]] = {ALONE: [], FLOODED: []}
        for number in range(pace.rounds):
            for name in (ALONE, FLOODED) if number % 2 == 0 else (FLOODED, ALONE):
                flooded = capacity * TIMES if name == FLOODED else 0.0
                rounds[name].append([await urgent_calls(field, model, capacity * SHARE_USED, flooded, pace)])
        report(findings, f"{model}, capacity {capacity:.0f} calls/s", rounds, MOST_RISE)
    return findings


async def urgent_calls(field: Field, model: str, per_second: float, flooded: float, pace: Pace) -> Tally:
    """Lets the urgent caller call, and the patient one at its pace, if any."""
    patient, seconds = field.gateway(model, tenant=PATIENT), pace.warm_up_seconds + pace.seconds
    load = await start_flood(patient, flooded, seconds, field.scratch, DEADLINE_MS) if flooded else None
    await asyncio.sleep(pace.warm_up_seconds / 2)
    urgent = field.gateway(model, tenant=URGENT)
    tally = await ask_at_pace(urgent, per_second, pace.seconds, connections=2, timeout_ms=DEADLINE_MS)
    if load is not None:
        await h2load.finish(load)
    return tally
