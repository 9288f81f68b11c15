"""Writes what all processes counted in the text format of Prometheus, version 0.0.4, or in OpenMetrics 1.0.

https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

from gateway.telemetry.exemplars import Exemplar
from gateway.telemetry.families import FAMILIES, Family, Kind
from gateway.telemetry.layout import Labels
from gateway.telemetry.reading import Snapshot
from gateway.usage.reading import rest_between

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
WORKER = "worker"

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


Told = Mapping[tuple[str, Labels], Mapping[int, str]]


class Exposition:
    """Writes metrics; what is always the same of a series is written once."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, Labels], list[str]] = {}

    def write(self, snapshot: Snapshot, exemplars: Iterable[Exemplar], *, openmetrics: bool) -> Iterator[str]:
        """Yields a piece of text for each series, without hurry; in OpenMetrics the end is still to be written."""
        told = by_bucket(exemplars) if openmetrics else {}
        for family in FAMILIES:
            lines = self._gauges if family.kind is Kind.GAUGE else self._sums
            first = True
            for line in lines(family, snapshot, told):
                if first:
                    yield head_of(family.name, family.kind.value, family.help, openmetrics=openmetrics)
                first = False
                yield line

    def _gauges(self, family: Family, snapshot: Snapshot, _: Told) -> Iterator[str]:
        for labels, value in rest_between(snapshot.gauges.get(family.name, {}).items()):
            yield f"{self._names_of(family, labels)[0]}{number(value)}\n"

    def _sums(self, family: Family, snapshot: Snapshot, told: Told) -> Iterator[str]:
        for labels, first in rest_between(snapshot.places[family.name].items()):
            numbers = snapshot.values[first : first + family.cells].tolist()
            names = self._names_of(family, labels)
            if family.kind is Kind.COUNTER:
                yield f"{names[0]}{number(numbers[0])}\n"
            else:
                yield write_histogram(names, numbers, told.get((family.name, labels), {}))

    def _names_of(self, family: Family, labels: Labels) -> list[str]:
        """Returns what stands before each number of a series."""
        found = self._names.get((family.name, labels))
        if found is None:
            found = self._names[family.name, labels] = names_of(family, labels)
        return found


def head_of(name: str, kind: str, meaning: str, *, openmetrics: bool) -> str:
    """Returns what a family's series follow."""
    told = name.removesuffix("_total") if openmetrics and kind == Kind.COUNTER.value else name
    return f"# HELP {told} {meaning}\n# TYPE {told} {kind}\n"


def names_of(family: Family, labels: Labels) -> list[str]:
    """Returns name and labels for each number; of a histogram for each bucket, then for count and sum."""
    named = (*family.labels, WORKER) if family.kind is Kind.GAUGE else family.labels
    pairs = [f'{name}="{value.translate(_ESCAPES)}"' for name, value in zip(named, labels, strict=True)]
    alone = f"{{{','.join(pairs)}}}" if pairs else ""
    if family.kind is not Kind.HISTOGRAM:
        return [f"{family.name}{alone} "]
    bounds = [f'le="{bound}"' for bound in (*map(repr, family.bounds), "+Inf")]
    buckets = [f"{family.name}_bucket{{{','.join([*pairs, bound])}}} " for bound in bounds]
    return [*buckets, f"{family.name}_count{alone} ", f"{family.name}_sum{alone} "]


def write_histogram(names: list[str], numbers: list[float], exemplars: Mapping[int, str]) -> str:
    """Returns the lines of a series.

    Args:
        names: What stands before each number.
        numbers: The sum, then each bucket's count.
        exemplars: What follows the number of a bucket.
    """
    counts = [int(count) for count in accumulate(numbers[1:])]
    lines = [f"{name}{count}\n" for name, count in zip(names, [*counts, counts[-1]], strict=False)]
    for bucket, exemplar in exemplars.items():
        lines[bucket] = f"{lines[bucket][:-1]}{exemplar}\n"
    return f"{''.join(lines)}{names[-1]}{number(numbers[0])}\n"


def number(value: float) -> str:
    """Writes a number exactly."""
    return str(int(value)) if value.is_integer() else repr(value)


def by_bucket(exemplars: Iterable[Exemplar]) -> Told:
    """Returns the latest exemplar of each bucket, as it is written."""
    bounds = {family.name: family.bounds for family in FAMILIES if family.kind is Kind.HISTOGRAM}
    told: dict[tuple[str, Labels], dict[int, str]] = {}
    for each in sorted(exemplars, key=lambda exemplar: exemplar.time_seconds):
        if each.family in bounds:
            labels = f'trace_id="{each.trace_id}",span_id="{each.span_id}"'
            bucket = bisect_left(bounds[each.family], each.value)
            told.setdefault((each.family, each.labels), {})[bucket] = (
                f" # {{{labels}}} {each.value!r} {each.time_seconds:.3f}"
            )
    return told
