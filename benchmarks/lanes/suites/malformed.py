"""Two clients send rows that are too short and too long beside 32 good callers, who must not notice."""

import asyncio
from dataclasses import replace

import numpy as np

from benchmarks.gbm import COLUMNS
from benchmarks.lanes.contestants import Contestant
from benchmarks.lanes.field import Field
from benchmarks.lanes.loads import Tally, ask_in_turn
from benchmarks.lanes.verification import verify
from benchmarks.measuring.http2 import INVALID_ARGUMENT
from benchmarks.measuring.measurement import Pace
from benchmarks.measuring.questions import Question
from benchmarks.measuring.results import Bar, Findings, Table

CALLERS = 32
WIDTHS = (COLUMNS - 1, COLUMNS + 1)
SECONDS_PER_ROUND_SECOND = 2
TABLE = ("", "calls", "answered", "failed", "wrong", "p99 ms")


async def run(field: Field, pace: Pace) -> Findings:
    """Runs the suite."""
    good, findings = field.gateway(), Findings()
    await verify([good], pace)
    seconds = pace.rounds * pace.seconds * SECONDS_PER_ROUND_SECOND
    asked, *bad = await asyncio.gather(
        ask_in_turn(good, CALLERS, seconds),
        *(ask_in_turn(malformed(good, width), 1, seconds, connections=1) for width in WIDTHS),
    )
    rows = [describe(f"{CALLERS} good callers", asked)]
    rows += [describe(f"rows of {width}", tally) for width, tally in zip(WIDTHS, bad, strict=True)]
    findings.tables.append(Table(f"{seconds:.0f} seconds", TABLE, tuple(rows)))
    findings.figures["rows"] = rows
    let_through = sum(tally.calls - tally.codes[INVALID_ARGUMENT] for tally in bad)
    findings.bars += [
        Bar("good calls that failed", asked.failed(), at_most=0),
        Bar("wrong answers", asked.wrong, at_most=0),
        Bar("malformed calls that ended otherwise than with INVALID_ARGUMENT", let_through, at_most=0),
    ]
    findings.problems += [str(bar) for bar in findings.bars if not bar.reached]
    if findings.problems:
        findings.problems += [problem for tally in (asked, *bad) for problem, _ in tally.problems.most_common(3)]
    return findings


def malformed(contestant: Contestant, width: int) -> Contestant:
    """Returns a contestant that is asked with rows of a wrong width."""
    question = Question(contestant.model, np.ones((1, width), np.float32), {})
    return replace(contestant, questions=(question,))


def describe(name: str, tally: Tally) -> tuple[str | int | float, ...]:
    """Returns a row of `TABLE`."""
    p99 = round(tally.percentile_ms(0.99), 2) if tally.latencies else "-"
    return (name, tally.calls, len(tally.latencies), tally.failed(), tally.wrong, p99)
