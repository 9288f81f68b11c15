"""What a suite found: tables, bars that it reaches or misses, and problems that make figures worthless."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from benchmarks.lanes.measurement import Measurement
from benchmarks.lanes.ratios import BUSY, NOISY, own_spread

Cell = str | int | float


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure that is promised.

    Attributes:
        what: Is measured.
        measured: Figure; NaN where nothing could be measured.
        at_least: Least that is promised.
        at_most: Most that is promised.
        spread: Of the figure over the rounds, in words.
    """

    what: str
    measured: float
    at_least: float | None = None
    at_most: float | None = None
    spread: str = ""

    @property
    def reached(self) -> bool:
        """Says whether the promise is kept."""
        low = self.at_least is None or self.measured >= self.at_least
        return low and (self.at_most is None or self.measured <= self.at_most)

    def __str__(self) -> str:
        bound = f"at least {self.at_least:g}" if self.at_least is not None else f"at most {self.at_most:g}"
        measured = f"{self.measured:.3g}" + (f" ({self.spread})" if self.spread else "")
        return f"{'PASS' if self.reached else 'MISSED'}  {self.what}: {measured}, {bound}"


@dataclass(frozen=True, slots=True)
class Table:
    """Figures for people.

    Attributes:
        title: What they are.
        columns: Names of the columns.
        rows: A cell for each column.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(slots=True)
class Findings:
    """What a suite found.

    Attributes:
        tables: In the order of their printing.
        bars: What is promised.
        problems: Wrong answers and calls that failed where none may; any of them is a failure of the run.
        spreads: By what share contestants differed from themselves from round to round, at most.
        figures: Everything, for programs.
        others_cores: Cores that processes of others used meanwhile.
    """

    tables: list[Table] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    spreads: list[float] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    others_cores: float = 0.0

    @property
    def noisy(self) -> bool:
        """Says whether the machine was too busy for the figures to be trusted."""
        return max(self.spreads, default=0.0) > NOISY or self.others_cores > BUSY

    def take(self, title: str, rounds: Mapping[str, Sequence[Measurement]], may_shed: Collection[str] = ()) -> None:
        """Adds what contestants did in their rounds; some of them may refuse calls, by their names."""
        self.figures[title] = {name: [asdict(each) for each in measured] for name, measured in rounds.items()}
        self.tables.append(tabulate(title, rounds))
        for name, measured in rounds.items():
            self.spreads.append(own_spread([each.calls_per_second for each in measured]))
            wrong, unanswered = sum(each.wrong for each in measured), sum(each.unanswered for each in measured)
            explained = name in may_shed and any(each.shed for each in measured)
            if wrong or (unanswered and not explained):
                self.problems.append(f"{title}, {name}: {wrong} wrong, {unanswered} calls without an answer")


COLUMNS = (
    "",
    "calls/s",
    "lowest",
    "highest",
    "p50 ms",
    "p99 ms",
    "CPU s per 1,000",
    "average batch",
    "calls",
    "unanswered",
)


def tabulate(title: str, rounds: Mapping[str, Sequence[Measurement]]) -> Table:
    """Returns the medians of rounds."""
    return Table(title, COLUMNS, tuple((name, *summarise(measured)) for name, measured in rounds.items()))


def summarise(rounds: Sequence[Measurement]) -> tuple[Cell, ...]:
    """Returns a row of `COLUMNS`."""
    rates = [each.calls_per_second for each in rounds]
    return (
        round(median(rates)),
        round(min(rates)),
        round(max(rates)),
        round(median([each.p50_ms for each in rounds]), 2),
        round(median([each.p99_ms for each in rounds]), 2),
        round(median([each.cpu_per_1000 for each in rounds]), 3),
        round(median([each.batch for each in rounds]), 1),
        sum(each.calls for each in rounds),
        sum(each.unanswered for each in rounds),
    )
