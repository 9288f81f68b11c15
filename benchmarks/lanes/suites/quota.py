"""One tenant calls twenty times its quota: what the others notice, who call at a pace of their own."""

import asyncio

from benchmarks.lanes.field import LIMITED, SHARE, SMALL, TENANTS, Field
from benchmarks.lanes.floods import start_flood
from benchmarks.lanes.loads import Tally, ask_at_pace
from benchmarks.lanes.suites.flood import CALM, DEADLINE_MS, FLOODED, MOST_RISE, TIMES, report
from benchmarks.lanes.verification import verify
from benchmarks.measuring import h2load
from benchmarks.measuring.measurement import Pace
from benchmarks.measuring.results import Findings

SHARE_USED = 0.5


async def run(field: Field, pace: Pace) -> Findings:
    """Runs the suite."""
    findings = Findings()
    await verify([field.gateway(SMALL)], pace)
    rounds: dict[str, list[list[Tally]]] = {CALM: [], FLOODED: []}
    for number in range(pace.rounds):
        for name in (CALM, FLOODED) if number % 2 == 0 else (FLOODED, CALM):
            offered = SHARE * (TIMES if name == FLOODED else SHARE_USED)
            rounds[name].append(await others(field, offered, pace))
    report(findings, f"{SMALL}, quota {SHARE:.0f} calls/s", rounds, MOST_RISE)
    return findings


async def others(field: Field, offered: float, pace: Pace) -> list[Tally]:
    """Lets the tenant with a quota call at one pace, and the others at that of a quota; returns their calls."""
    seconds = pace.warm_up_seconds + pace.seconds
    load = await start_flood(field.gateway(SMALL, tenant=LIMITED), offered, seconds, field.scratch, DEADLINE_MS)
    await asyncio.sleep(pace.warm_up_seconds / 2)
    calling = (field.gateway(SMALL, tenant=tenant) for tenant in TENANTS)
    asked = await asyncio.gather(
        *(ask_at_pace(each, SHARE, pace.seconds, connections=2, timeout_ms=DEADLINE_MS) for each in calling)
    )
    await h2load.finish(load)
    return asked
