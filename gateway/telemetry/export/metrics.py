"""Series become metrics of the SDK: cumulative since counting began, with the names and units of OpenTelemetry."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from opentelemetry.sdk.metrics import Exemplar as SdkExemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from gateway.telemetry.exemplars import Exemplar
from gateway.telemetry.export.pace import Paced
from gateway.telemetry.export.words import attributes_of
from gateway.telemetry.families import Family, Kind
from gateway.telemetry.layout import Labels, Series
from gateway.telemetry.records import NS

CUMULATIVE = AggregationTemporality.CUMULATIVE

# Points of one message: what is more is told in further ones, so that none is large and to make one takes no long time.
MOST_POINTS = 64

Found = dict[tuple[str, Labels], list[SdkExemplar]]
Point = HistogramDataPoint | NumberDataPoint
Over = Callable[[Iterable[Any]], Iterator[Any]]


class Metrics:
    """Makes metrics of series.

    Args:
        resource: Who tells of them.
        scope: With which version of what.
        since_ns: When counting began, in nanoseconds since 1970.
        over: Yields things at a pace.
    """

    def __init__(self, resource: Resource, scope: InstrumentationScope, since_ns: int, over: Over) -> None:
        self._resource = resource
        self._scope = scope
        self._since_ns = since_ns
        self._over = over

    def of(self, series: Iterable[Series], exemplars: Iterable[Exemplar], now_ns: int) -> Iterator[MetricsData]:
        """Yields messages that together tell of all series.

        Args:
            series: Their numbers.
            exemplars: Of histograms among them.
            now_ns: When these were read, in nanoseconds since 1970.
        """
        found: Found = defaultdict(list)
        for each in exemplars:
            found[each.family, each.labels].append(sdk_exemplar(each))
        families: dict[Family, list[Point]] = {}
        for one in self._over(series):
            points = families.setdefault(one.family, [])
            points.append(self._point(one, found, now_ns))
            if len(points) == MOST_POINTS:
                yield self._message([metric_of(one.family, self._paced(families.pop(one.family)))])
        few: list[Metric] = []
        told = 0
        for family, points in families.items():
            few.append(metric_of(family, self._paced(points)))
            told += len(points)
            if told >= MOST_POINTS:
                yield self._message(few)
                few, told = [], 0
        if few:
            yield self._message(few)

    def _paced(self, points: list[Point]) -> Paced[Any]:
        return Paced(points, self._over)

    def _point(self, series: Series, found: Found, now_ns: int) -> Point:
        """Makes the point of a series."""
        family, values = series.family, series.values
        attributes = attributes_of(family.labels, series.labels)
        if family.kind is not Kind.HISTOGRAM:
            value = int(values[0]) if family.kind is Kind.COUNTER else values[0]
            return NumberDataPoint(attributes, self._since_ns, now_ns, value)
        counts = [int(count) for count in values[1:]]
        return HistogramDataPoint(
            attributes,
            self._since_ns,
            now_ns,
            count=sum(counts),
            sum=values[0],
            bucket_counts=counts,
            explicit_bounds=family.bounds,
            min=None,  # type: ignore[arg-type] # nobody knows them; the encoder leaves them out
            max=None,  # type: ignore[arg-type] # as above
            exemplars=found.get((family.name, series.labels), ()),
        )

    def _message(self, metrics: list[Metric]) -> MetricsData:
        scope = ScopeMetrics(self._scope, metrics, self._scope.schema_url or "")
        return MetricsData([ResourceMetrics(self._resource, [scope], self._resource.schema_url)])


def metric_of(family: Family, points: Sequence[Any]) -> Metric:
    """Makes the metric of a family, or of some of its series."""
    if family.kind is Kind.HISTOGRAM:
        return Metric(family.otlp, family.help, family.unit, Histogram(points, CUMULATIVE))
    if family.kind is Kind.COUNTER:
        return Metric(family.otlp, family.help, family.unit, Sum(points, CUMULATIVE, is_monotonic=True))
    return Metric(family.otlp, family.help, family.unit, Gauge(points))


def sdk_exemplar(exemplar: Exemplar) -> SdkExemplar:
    """Makes an exemplar of the SDK."""
    when_ns = round(exemplar.time_seconds * NS)
    return SdkExemplar({}, exemplar.value, when_ns, int(exemplar.span_id, 16), int(exemplar.trace_id, 16))
