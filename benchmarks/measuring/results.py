"""What a suite found: tables, bars that it reaches or misses, and problems that make figures worthless."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Protocol

from benchmarks.measuring.measurement import Measurement
from benchmarks.measuring.ratios import BUSY, NOISY, Ratio, own_spread

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
        bounds = {"at least": self.at_least, "at most": self.at_most}
        bound = ", ".join(f"{word} {value:g}" for word, value in bounds.items() if value is not None)
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
        spreads: By what share contestants differed from themselves from round to round.
        figures: Everything, for programs.
        others_cores: Cores that processes of others used meanwhile.
        pictures: What draws further pictures, by name; it is told in which file, and what stands above.
    """

    tables: list[Table] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    spreads: list[float] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    others_cores: float = 0.0
    pictures: dict[str, Callable[[Path, str], None]] = field(default_factory=dict)

    @property
    def noisy(self) -> bool:
        """Says whether the machine was too busy for the figures to be trusted."""
        return max(self.spreads, default=0.0) > NOISY or self.others_cores > BUSY

    def take(self, title: str, rounds: Mapping[str, Sequence[Measurement]]) -> None:
        """Adds what contestants did in their rounds: a table of medians, and whatever went wrong."""
        self.figures[title] = {name: [describe(each) for each in measured] for name, measured in rounds.items()}
        self.tables.append(tabulate(title, rounds))
        self.others_cores = max(self.others_cores, others_of(rounds))
        for name, measured in rounds.items():
            self.spreads.append(own_spread([each.calls_per_second for each in measured]))
            wrong, unanswered = sum(each.wrong for each in measured), sum(each.unanswered for each in measured)
            if wrong or unanswered:
                self.problems.append(f"{title}, {name}: {wrong} wrong, {unanswered} calls without an answer")

    def compare(
        self, what: str, figures: Ratio, *, at_least: float | None = None, at_most: float | None = None
    ) -> None:
        """Adds a bar for the median of a ratio, or of a difference, over the rounds."""
        spread = f"{figures.low:.2f} to {figures.high:.2f}"
        self.bars.append(Bar(what, figures.median, at_least, at_most, spread))


def describe(measured: Measurement) -> dict[str, Any]:
    """Returns a measurement for programs."""
    return asdict(measured) | {"cpu_per_1000": measured.cpu_per_1000}


def others_of(rounds: Mapping[str, Sequence[Measurement]]) -> float:
    """Returns the cores that others used, on average over all rounds."""
    used = [each.others_cores for measured in rounds.values() for each in measured]
    return sum(used) / max(len(used), 1)


PACES = ("", "calls/s", "lowest", "highest", "p50 ms", "p99 ms", "CPU s per 1,000")
COLUMNS = (*PACES, "RSS MiB", "calls", "unanswered", "wrong")


class Paced(Protocol):
    """What every measurement of a contestant in a round has."""

    @property
    def calls_per_second(self) -> float:
        """Answered calls."""
        ...

    @property
    def p50_ms(self) -> float:
        """Half of them took less."""
        ...

    @property
    def p99_ms(self) -> float:
        """All but a hundredth took less."""
        ...

    @property
    def cpu_per_1000(self) -> float:
        """CPU seconds per 1,000 calls."""
        ...


def tabulate(title: str, rounds: Mapping[str, Sequence[Measurement]]) -> Table:
    """Returns the medians of rounds, with the CPU of each stage where there are several."""
    stages = list(dict.fromkeys(stage for measured in rounds.values() for stage in measured[0].stages))
    shown = stages if len(stages) > 1 else []
    rows = ((name, *summarise(measured), *stages_of(measured, shown)) for name, measured in rounds.items())
    return Table(title, (*COLUMNS, *(f"{stage} CPU" for stage in shown)), tuple(rows))


def summarise(rounds: Sequence[Measurement]) -> tuple[Cell, ...]:
    """Returns a row of `COLUMNS` after its name."""
    return (
        *summarise_paces(rounds),
        round(median([each.rss_mib for each in rounds])),
        sum(each.calls for each in rounds),
        sum(each.unanswered for each in rounds),
        sum(each.wrong for each in rounds),
    )


def summarise_paces(rounds: Sequence[Paced]) -> tuple[Cell, ...]:
    """Returns a row of `PACES` after its name: medians, and the least and greatest rate."""
    rates = [each.calls_per_second for each in rounds]
    return (
        round(median(rates)),
        round(min(rates)),
        round(max(rates)),
        round(median([each.p50_ms for each in rounds]), 2),
        round(median([each.p99_ms for each in rounds]), 2),
        round(median([each.cpu_per_1000 for each in rounds]), 3),
    )


def stages_of(rounds: Sequence[Measurement], stages: Sequence[str]) -> tuple[Cell, ...]:
    """Returns the CPU of stages, nothing for those that a contestant does not have."""
    return tuple(
        round(median([each.stages[stage] for each in rounds]), 3) if stage in rounds[0].stages else ""
        for stage in stages
    )
