"""Tables of what contestants did, with the batches that they made of it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from statistics import median

from benchmarks.lanes.measurement import Measurement
from benchmarks.measuring.ratios import own_spread
from benchmarks.measuring.results import PACES, Cell, Findings, Table, summarise_paces


def take(
    findings: Findings,
    title: str,
    rounds: Mapping[str, Sequence[Measurement]],
    may_shed: Collection[str] = (),
) -> None:
    """Adds what contestants did in their rounds; some of them may refuse calls, by their names."""
    findings.figures[title] = {name: [asdict(each) for each in measured] for name, measured in rounds.items()}
    findings.tables.append(tabulate(title, rounds))
    for name, measured in rounds.items():
        findings.spreads.append(own_spread([each.calls_per_second for each in measured]))
        wrong, unanswered = sum(each.wrong for each in measured), sum(each.unanswered for each in measured)
        explained = name in may_shed and any(each.shed for each in measured)
        if wrong or (unanswered and not explained):
            findings.problems.append(f"{title}, {name}: {wrong} wrong, {unanswered} calls without an answer")


COLUMNS = (*PACES, "average batch", "calls", "unanswered")


def tabulate(title: str, rounds: Mapping[str, Sequence[Measurement]]) -> Table:
    """Returns the medians of rounds."""
    return Table(title, COLUMNS, tuple((name, *summarise(measured)) for name, measured in rounds.items()))


def summarise(rounds: Sequence[Measurement]) -> tuple[Cell, ...]:
    """Returns a row of `COLUMNS`."""
    return (
        *summarise_paces(rounds),
        round(median([each.batch for each in rounds]), 1),
        sum(each.calls for each in rounds),
        sum(each.unanswered for each in rounds),
    )
