"""One tenant calls twenty times its share: what the others notice."""

import asyncio
from statistics import median

from benchmarks.lanes.field import NARROW, SMALL, TENANTS, Field
from benchmarks.lanes.floods import find_capacity, start_flood
from benchmarks.lanes.loads import SHED, Tally, ask_at_pace
from benchmarks.lanes.verification import verify
from benchmarks.measuring import h2load
from benchmarks.measuring.measurement import Pace
from benchmarks.measuring.ratios import own_spread, percentile_ms, ratio_of
from benchmarks.measuring.results import Bar, Cell, Findings, Table

TIMES, SHARE_USED = 20.0, 0.5
DEADLINE_MS, MOST_RISE = 1_000, 1.5
CALM, FLOODED = "all within their shares", "one tenant floods"
COLUMNS = ("", "calls looked at", "p50 ms", "p99 ms", "lowest", "highest", "shed")


async def run(field: Field, pace: Pace) -> Findings:
    """Runs the suite."""
    findings = Findings()
    for model in (NARROW, SMALL):
        await verify([field.gateway(model)], pace)
        capacity = await find_capacity(field.gateway(model), pace.seconds, DEADLINE_MS, field.scratch)
        share = capacity / len(TENANTS)
        rounds: dict[str, list[list[Tally]]] = {CALM: [], FLOODED: []}
        for number in range(pace.rounds):
            for name in (CALM, FLOODED) if number % 2 == 0 else (FLOODED, CALM):
                offered = share * (TIMES if name == FLOODED else SHARE_USED)
                rounds[name].append(await others(field, model, share * SHARE_USED, offered, pace))
        report(findings, f"{model}, share {share:.0f} calls/s", rounds, MOST_RISE)
    return findings


async def others(field: Field, model: str, per_second: float, flooded: float, pace: Pace) -> list[Tally]:
    """Lets one tenant call at one pace and the others at another; returns what became of the others' calls."""
    flooding, *calling = TENANTS
    seconds = pace.warm_up_seconds + pace.seconds
    load = await start_flood(field.gateway(model, tenant=flooding), flooded, seconds, field.scratch, DEADLINE_MS)
    await asyncio.sleep(pace.warm_up_seconds / 2)
    asked = await asyncio.gather(
        *(
            ask_at_pace(
                field.gateway(model, tenant=tenant), per_second, pace.seconds, connections=2, timeout_ms=DEADLINE_MS
            )
            for tenant in calling
        )
    )
    await h2load.finish(load)
    return asked


def report(findings: Findings, title: str, rounds: dict[str, list[list[Tally]]], most_rise: float) -> None:
    """Adds what callers noticed, calm first and then flooded."""
    p99s: dict[str, list[float]] = {}
    rows: list[tuple[Cell, ...]] = []
    for name, tallies in rounds.items():
        p99s[name] = [p99_of(tenants) for tenants in tallies]
        flat = [tally for tenants in tallies for tally in tenants]
        calls, answered = sum(tally.calls for tally in flat), sum(len(tally.latencies) for tally in flat)
        p50 = percentile_ms([latency for tally in flat for latency in tally.latencies], 0.5)
        figures = (calls, p50, median(p99s[name]), min(p99s[name]), max(p99s[name]))
        rows.append((name, *(round(figure, 2) for figure in figures), f"{1 - answered / calls:.2%}"))
        wrong, failed = sum(tally.wrong for tally in flat), sum(tally.failed(*SHED) for tally in flat)
        if wrong or failed:
            findings.problems.append(f"{title}, {name}: {wrong} wrong, {failed} failed otherwise than by being shed")
    calm, flooded = p99s.values()
    rise = ratio_of(flooded, calm)
    findings.tables.append(Table(title, COLUMNS, tuple(rows)))
    findings.figures[title] = {"p99_ms": p99s, "rows": rows}
    findings.spreads.append(own_spread(calm))
    spread = f"{rise.low:.2f} to {rise.high:.2f}"
    findings.bars.append(Bar(f"{title}: p99 over calm", rise.median, at_most=most_rise, spread=spread))


def p99_of(tallies: list[Tally]) -> float:
    """Returns the p99 of all their calls together."""
    return percentile_ms([latency for tally in tallies for latency in tally.latencies], 0.99)
