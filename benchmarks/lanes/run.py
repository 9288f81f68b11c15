"""Runs suites one after the other over a field that has what they need, and keeps what each finds."""

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import uvloop

from benchmarks.lanes import plots
from benchmarks.lanes.field import Field, open_field
from benchmarks.lanes.suites import curves, flood, malformed, overload, priority, quota, sixteen, small
from benchmarks.measuring import report
from benchmarks.measuring.cpu import machine_seconds, tree_seconds
from benchmarks.measuring.h2load import require_h2load
from benchmarks.measuring.machine import Machine, this_machine
from benchmarks.measuring.measurement import Pace
from benchmarks.measuring.results import Findings

Suite = Callable[[Field, Pace], Awaitable[Findings]]

SUITES: Mapping[str, Suite] = {
    "small": small.run,
    "sixteen": sixteen.run,
    "curves": curves.run,
    "overload": overload.run,
    "flood": flood.run,
    "priority": priority.run,
    "quota": quota.run,
    "malformed": malformed.run,
}
OF_MANY_TREES = {"overload", "flood", "priority"}
THOROUGH, QUICK = Pace(rounds=6, seconds=5.0, warm_up_seconds=1.0), Pace(rounds=2, seconds=2.0, warm_up_seconds=0.5)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be run.

    Attributes:
        suites: Names, in order.
        backend: Of the gateway.
        listener: Of the gateway.
        pace: How long things are measured.
        results: Folder of the results.
    """

    suites: tuple[str, ...]
    backend: str
    listener: str
    pace: Pace
    results: Path

    def described(self) -> Mapping[str, object]:
        """Returns what figures depend on."""
        pace = self.pace
        return {
            "listener": self.listener,
            "backend": self.backend,
            "rounds": f"{pace.rounds} of {pace.seconds:g} s",
        }


def run(plan: Plan) -> list[str]:
    """Opens the field, runs the suites, prints and keeps what they find; returns what went wrong.

    Raises:
        NoLoadError: `h2load` cannot be had, or fails.
        WrongAnswerError: A contestant does not answer right, so that there is nothing to measure.
    """
    machine = this_machine()
    require_h2load()
    print(machine, flush=True)
    wanted = set(plan.suites)
    with open_field(
        plan.backend, plan.listener, heavy=bool(OF_MANY_TREES & wanted), priorities="priority" in wanted
    ) as field:
        return uvloop.run(run_suites(plan, field, machine))


async def run_suites(plan: Plan, field: Field, machine: Machine) -> list[str]:
    """Runs the suites one after the other."""
    problems: list[str] = []
    for name in plan.suites:
        findings = await run_watched(SUITES[name], field, plan.pace)
        print(report.announce(name, findings), flush=True)
        kept = report.keep(plan.results, "lanes", name, findings, machine, plan.described())
        print(report.noise_of(kept[name]), flush=True)
        if curves.CURVES in findings.figures:
            plots.draw(plan.results, findings.figures[curves.CURVES], str(machine))
        problems += findings.problems
    return problems


async def run_watched(suite: Suite, field: Field, pace: Pace) -> Findings:
    """Runs a suite, and finds out how much of the machine others used meanwhile."""
    roots = [os.getpid(), *field.gateway().roots]
    start, machine, ours = monotonic(), machine_seconds(), tree_seconds(roots)
    findings = await suite(field, pace)
    others = machine_seconds() - machine - (tree_seconds(roots) - ours)
    findings.others_cores = max(others, 0.0) / (monotonic() - start)
    return findings
