"""Runs a suite: names the machine, prints what is found, keeps it, and says when the machine was too noisy."""

from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.measuring import bars, report
from benchmarks.measuring.h2load import require_h2load
from benchmarks.measuring.machine import this_machine
from benchmarks.measuring.measurement import Pace
from benchmarks.measuring.results import Findings

RESULTS = Path("benchmarks/results")

Suite = Callable[[Pace], Findings]
"""Starts what it needs, verifies, measures; all that it started has ended when it returns."""


def carry_out(name: str, suites: Mapping[str, Suite], pace: Pace, folder: Path = RESULTS) -> list[str]:
    """Runs the parts of a suite one after the other; returns what went wrong.

    Args:
        name: Of the suite, and of its files.
        suites: Its parts, by name.
        pace: How long things are measured.
        folder: Of the results.

    Raises:
        NoLoadError: `h2load` cannot be had, or fails.
        WrongAnswerError: A contestant does not answer right, so that there is nothing to measure.
    """
    require_h2load()
    problems: list[str] = []
    for part, suite in suites.items():
        machine = this_machine()
        print(f"{name}, {part}: {machine}; {pace}", flush=True)
        findings = suite(pace)
        print(report.announce(part, findings), flush=True)
        kept = report.keep(folder, name, part, findings, machine, {"rounds": f"{pace.rounds} of {pace.seconds:g} s"})
        print(report.noise_of(kept[part]), flush=True)
        bars.draw(folder, name, kept, str(machine))
        for picture, draw in findings.pictures.items():
            draw(folder / f"{picture}.png", str(machine))
        problems += findings.problems
    return problems
