"""Makes a bill of charges: one line for each day, tenant, team and model, or for what of these is asked for."""

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce
from io import StringIO

from gateway.usage.layout import Counts
from gateway.usage.reading import Charge, team_of

NS_PER_MS = 1_000_000
FIGURES = ("calls", "rows", "backend_ms", "feature_hits")
GAP = "  "

DIMENSIONS: Mapping[str, Callable[[Charge], str]] = {
    "day": lambda charge: str(charge.day),
    "tenant": lambda charge: charge.tenant,
    "team": lambda charge: team_of(charge.model),
    "model": lambda charge: charge.model,
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a bill; `names` are those of its dimensions."""

    names: tuple[str, ...]
    counts: Counts


@dataclass(frozen=True, slots=True)
class Bill:
    """What was used from the first to the last day.

    Attributes:
        first: The first day, in UTC.
        last: The last one.
        dimensions: What the lines are told apart by.
        lines: In the order of their names.
    """

    first: date
    last: date
    dimensions: tuple[str, ...]
    lines: tuple[Line, ...]

    @property
    def total(self) -> Counts:
        """The sum of all lines."""
        return reduce(Counts.plus, (line.counts for line in self.lines), Counts())


def merge(charges: Iterable[Charge]) -> list[Charge]:
    """Returns each charge of a source once, though both the files and Redis have it: the later one.

    Counters only ever grow, so what is larger is later.
    """
    latest: dict[tuple[str, str, str], Charge] = {}
    for charge in charges:
        name = (charge.source, charge.tenant, charge.model)
        known = latest.get(name)
        if known is None:
            latest[name] = charge
        else:
            counts = Counts(*map(max, known.counts, charge.counts))
            latest[name] = Charge(charge.day, charge.source, charge.tenant, charge.model, counts)
    return list(latest.values())


def make_bill(charges: Iterable[Charge], first: date, last: date, dimensions: Sequence[str]) -> Bill:
    """Adds charges up.

    Args:
        charges: Each once.
        first: The first day.
        last: The last one.
        dimensions: Names of `DIMENSIONS`.
    """
    ways = [DIMENSIONS[dimension] for dimension in dimensions]
    sums: dict[tuple[str, ...], Counts] = {}
    for charge in charges:
        names = tuple(way(charge) for way in ways)
        sums[names] = sums[names].plus(charge.counts) if names in sums else charge.counts
    return Bill(first, last, tuple(dimensions), tuple(Line(names, sums[names]) for names in sorted(sums)))


def as_table(bill: Bill) -> str:
    """Writes a bill for people: aligned, with the total below; backend milliseconds to the microsecond."""
    if not bill.lines:
        days = f"on {bill.first}" if bill.first == bill.last else f"from {bill.first} to {bill.last}"
        return f"nothing was used {days} (UTC)\n"
    rows = [
        (*bill.dimensions, *FIGURES),
        *((*line.names, *told(line.counts)) for line in bill.lines),
        ("total", *[""] * (len(bill.dimensions) - 1), *told(bill.total)),
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    words = len(bill.dimensions)
    return "".join(f"{aligned(row, widths, words)}\n" for row in rows)


def as_csv(bill: Bill) -> str:
    """Writes a bill as CSV (RFC 4180): a head, and a line for each line; backend milliseconds to the nanosecond."""
    file = StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow((*bill.dimensions, *FIGURES))
    for line in bill.lines:
        writer.writerow((*line.names, *figures(line.counts).values()))
    return file.getvalue()


def as_json(bill: Bill) -> str:
    """Writes a bill as one JSON object."""
    lines = [dict(zip(bill.dimensions, line.names, strict=True)) | figures(line.counts) for line in bill.lines]
    content = {
        "first_day": str(bill.first),
        "last_day": str(bill.last),
        "lines": lines,
        "total": figures(bill.total),
    }
    return f"{json.dumps(content, indent=2, ensure_ascii=False)}\n"


FORMATS: Mapping[str, Callable[[Bill], str]] = {"table": as_table, "csv": as_csv, "json": as_json}


def figures(counts: Counts) -> dict[str, int | float]:
    """Returns the figures of a line for programs."""
    values = (counts.calls, counts.rows, counts.backend_ns / NS_PER_MS, counts.feature_hits)
    return dict(zip(FIGURES, values, strict=True))


def told(counts: Counts) -> tuple[str, ...]:
    """Returns the figures of a line for people."""
    milliseconds = f"{counts.backend_ns / NS_PER_MS:,.3f}"
    return f"{counts.calls:,}", f"{counts.rows:,}", milliseconds, f"{counts.feature_hits:,}"


def aligned(row: Sequence[str], widths: Sequence[int], words: int) -> str:
    """Returns one line of the table: words to the left, figures to the right."""
    cells = zip(row, widths, strict=True)
    return GAP.join(
        cell.ljust(width) if place < words else cell.rjust(width) for place, (cell, width) in enumerate(cells)
    )
