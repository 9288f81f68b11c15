"""Figures of traffic: rates, percentiles and errors of calls that belong together, from exact buckets."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np

from gateway.operations.history import Window
from gateway.telemetry.families import CALL_ROWS, CALLS, Family
from gateway.telemetry.layout import Labels
from gateway.telemetry.reading import Numbers, Places
from gateway.telemetry.words import SERVER_ERROR_NAMES

OK = "OK"

Key = TypeVar("Key", bound=Hashable)


@dataclass(slots=True)
class Figures:
    """What became of calls.

    Attributes:
        seconds: Time in which they were counted.
        buckets: Calls by duration, as `CALLS.bounds` divides them.
        total_seconds: Sum of the durations.
        rows: Rows that reached a lane.
        codes: Calls that did not end well, by gRPC code, most first.
    """

    seconds: float
    buckets: Numbers = field(default_factory=lambda: np.zeros(len(CALLS.bounds) + 1))
    total_seconds: float = 0.0
    rows: float = 0.0
    codes: dict[str, int] = field(default_factory=dict)

    @property
    def calls(self) -> int:
        """Calls."""
        return int(self.buckets.sum())

    @property
    def rate(self) -> float:
        """Calls a second."""
        return self.calls / self.seconds if self.seconds else 0.0

    @property
    def rows_rate(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds if self.seconds else 0.0

    @property
    def failed(self) -> int:
        """Calls that the server failed."""
        return sum(count for code, count in self.codes.items() if code in SERVER_ERROR_NAMES)

    @property
    def refused(self) -> int:
        """Calls that ended with another code: their callers asked for too much, or for nothing that is."""
        return sum(self.codes.values()) - self.failed

    @property
    def failed_share(self) -> float | None:
        """Share of calls that the server failed; None if there was no call."""
        return self.failed / self.calls if self.calls else None

    @property
    def mean(self) -> float | None:
        """Mean duration in seconds; None if there was no call."""
        return self.total_seconds / self.calls if self.calls else None

    @property
    def p50(self) -> float | None:
        """Median duration in seconds."""
        return percentile(self.buckets, CALLS.bounds, 0.5)

    @property
    def p99(self) -> float | None:
        """Duration in seconds that 1 call in 100 exceeds."""
        return percentile(self.buckets, CALLS.bounds, 0.99)


def percentile(buckets: Numbers, bounds: Sequence[float], share: float) -> float | None:
    """Returns a percentile, as Prometheus' `histogram_quantile` does; None if nothing was counted.

    Within a bucket values count as evenly spread; what is beyond the last bound counts as the last bound.
    """
    counts = np.cumsum(buckets)
    if not counts[-1]:
        return None
    rank = share * counts[-1]
    at = int(np.searchsorted(counts, rank))
    if at >= len(bounds):
        return bounds[-1]
    low, before = (bounds[at - 1], counts[at - 1]) if at else (0.0, 0.0)
    return float(low + (bounds[at] - low) * (rank - before) / (counts[at] - before))


class Grouping(Generic[Key]):
    """Which series of a family belong together.

    Args:
        places: Where series are.
        family: Counted things.
        key_of: Says to what a series of some labels belongs; None leaves it out.
    """

    def __init__(self, places: Places, family: Family, key_of: Callable[[Labels], Key | None]) -> None:
        numbers: dict[Key, int] = {}
        self.labels: list[Labels] = []
        first, groups = [], []
        for labels, place in places[family.name].items():
            key = key_of(labels)
            if key is not None:
                self.labels.append(labels)
                first.append(place)
                groups.append(numbers.setdefault(key, len(numbers)))
        self.keys = list(numbers)
        self.groups = np.array(groups, np.intp)
        self._cells = np.array(first, np.intp)[:, None] + np.arange(family.cells)

    def take(self, values: Numbers) -> Numbers:
        """Returns the numbers of each series, [series, cells]; 0 for those that were not there yet."""
        known = self._cells < len(values)
        numbers = np.zeros(self._cells.shape)
        numbers[known] = values[self._cells[known]]
        return numbers

    def add(self, numbers: Numbers) -> Numbers:
        """Adds up what belongs together: [series, cells] becomes [groups, cells]."""
        sums = np.zeros((len(self.keys), numbers.shape[1]))
        np.add.at(sums, self.groups, numbers)
        return sums


def figures_by(window: Window, key_of: Callable[[Labels], Key | None]) -> dict[Key, Figures]:
    """Returns the figures of calls that belong together.

    Args:
        window: When they were counted.
        key_of: Says to what calls of some labels belong: tenant, service, method, model, version, arm.
    """
    places = window.after.places
    calls = Grouping(places, CALLS, lambda labels: key_of(labels[:-1]))
    numbers = calls.take(window.values)
    sums = calls.add(numbers)
    found = {key: Figures(window.seconds, row[1:], float(row[0])) for key, row in zip(calls.keys, sums, strict=True)}
    counts = numbers[:, 1:].sum(axis=1)
    for series in np.flatnonzero(counts):
        code = calls.labels[series][-1]
        if code != OK:
            codes = found[calls.keys[calls.groups[series]]].codes
            codes[code] = codes.get(code, 0) + int(counts[series])
    for each in found.values():
        each.codes = dict(sorted(each.codes.items(), key=lambda item: -item[1]))
    add_rows(window, key_of, found)
    return found


def add_rows(window: Window, key_of: Callable[[Labels], Key | None], found: Mapping[Key, Figures]) -> None:
    """Adds the rows of calls to their figures."""
    rows = Grouping(window.after.places, CALL_ROWS, key_of)
    for key, sums in zip(rows.keys, rows.add(rows.take(window.values)), strict=True):
        if key in found:
            found[key].rows = float(sums[0])


@dataclass(frozen=True, slots=True)
class Course:
    """How traffic went, step by step, oldest first.

    Attributes:
        rates: Calls a second.
        failed: Calls a second that the server failed.
    """

    rates: Sequence[float]
    failed: Sequence[float]


def courses_by(steps: Sequence[Window], key_of: Callable[[Labels], Key | None]) -> dict[Key, Course]:
    """Returns how calls that belong together went; nothing if there are no steps."""
    if not steps:
        return {}
    calls = Grouping(steps[-1].after.places, CALLS, lambda labels: key_of(labels[:-1]))
    server = np.array([labels[-1] in SERVER_ERROR_NAMES for labels in calls.labels], float)
    rates, failed = np.zeros((2, len(steps), len(calls.keys)))
    for step, window in enumerate(steps):
        counts = calls.take(window.values)[:, 1:].sum(axis=1) / window.seconds
        rates[step] = weigh(calls, counts)
        failed[step] = weigh(calls, counts * server)
    return {key: Course(rates[:, at].tolist(), failed[:, at].tolist()) for at, key in enumerate(calls.keys)}


def weigh(calls: Grouping[Key], counts: Numbers) -> Numbers:
    """Adds up one number of each series."""
    sums = np.zeros(len(calls.keys))
    np.add.at(sums, calls.groups, counts)
    return sums


def sums_by_outcome(window: Window, family: Family) -> dict[Labels, dict[str, Numbers]]:
    """Returns the numbers of a family whose last label is an outcome, by outcome, of what has the other labels."""
    found: dict[Labels, dict[str, Numbers]] = {}
    for (*labels, outcome), numbers in sums_by(window, family, lambda labels: labels).items():
        found.setdefault(tuple(labels), {})[outcome] = numbers
    return found


def sums_by(window: Window, family: Family, key_of: Callable[[Labels], Key | None]) -> dict[Key, Numbers]:
    """Returns the numbers of a family in a window, of what belongs together: of a histogram its sum, then its buckets.

    Args:
        window: When they were counted.
        family: A counter or a histogram.
        key_of: Says to what a series of some labels belongs; None leaves it out.
    """
    grouping = Grouping(window.after.places, family, key_of)
    return dict(zip(grouping.keys, grouping.add(grouping.take(window.values)), strict=True))
