"""Instruments over the cells of a sheet: what they count is in the file at once."""

from bisect import bisect_left
from math import nan

from gateway.telemetry.families import Family, Kind
from gateway.telemetry.layout import CELL_BYTES, Cells, Labels
from gateway.telemetry.sheet import Sheet

# Series of one family; whatever comes then is counted together, under OTHER.
MOST_SERIES = 2_000
OTHER = "_OTHER"


class Counter:
    """A number that grows."""

    __slots__ = ("_at", "_cells")

    def __init__(self, cells: Cells, at: int) -> None:
        self._cells = cells
        self._at = at

    def add(self, amount: float = 1.0) -> None:
        """Counts so much more."""
        self._cells[self._at] += amount


class Gauge:
    """A number that is set; one that is not a number says nothing."""

    __slots__ = ("_at", "_cells")

    def __init__(self, cells: Cells, at: int) -> None:
        self._cells = cells
        self._at = at

    def set(self, value: float) -> None:
        """Sets it."""
        self._cells[self._at] = value


class Histogram:
    """A sum and the counts of buckets.

    Attributes:
        observe: Counts a value, in the first bucket whose bound is not below it.
    """

    __slots__ = ("observe",)

    def __init__(self, cells: Cells, at: int, bounds: tuple[float, ...]) -> None:
        first = at + 1

        def observe(value: float) -> None:
            cells[at] += value
            cells[first + bisect_left(bounds, value)] += 1.0

        self.observe = observe  # what it needs is at hand: a method takes a third longer


class Instruments:
    """Makes instruments, each once for its labels.

    Args:
        sheet: Holds their numbers.
    """

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet
        self._counts: dict[Family, int] = {}
        for family, _ in sheet.places:
            self._counts[family] = self._counts.get(family, 0) + 1

    def counter(self, family: Family, *labels: str) -> Counter:
        """Returns the counter of some labels."""
        return Counter(*self._cell(family, labels))

    def gauge(self, family: Family, *labels: str) -> Gauge:
        """Returns the gauge of some labels."""
        return Gauge(*self._cell(family, labels))

    def histogram(self, family: Family, *labels: str) -> Histogram:
        """Returns the histogram of some labels."""
        return Histogram(*self._cell(family, labels), family.bounds)

    def clear_gauges(self) -> None:
        """Says nothing of what an earlier process of the sheet has said of itself."""
        for (family, _), at in self._sheet.places.items():
            if family.kind is Kind.GAUGE:
                self._sheet.cells[at] = nan

    def _cell(self, family: Family, labels: Labels) -> tuple[Cells, int]:
        """Finds the cells of a series; those of all others where there are too many."""
        if (family, labels) not in self._sheet.places:
            if self._counts.get(family, 0) >= MOST_SERIES:
                labels = (OTHER,) * len(labels)
            self._counts[family] = self._counts.get(family, 0) + 1
        place = self._sheet.place(family, labels)
        if place is None:  # the sheet is full: what is counted from now on for new series is not told
            return memoryview(bytearray(CELL_BYTES * family.cells)).cast("d"), 0
        return self._sheet.cells, place
