"""Writes usage in the text format of Prometheus, version 0.0.4, or in OpenMetrics 1.0.

https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md
"""

from collections.abc import Callable, Iterator, Mapping

from gateway.usage.layout import Counts, Key
from gateway.usage.reading import rest_between, team_of

NS_DIGITS = 9

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def exactly(nanoseconds: int) -> str:
    """Returns seconds, to the last nanosecond."""
    whole, rest = divmod(nanoseconds, 10**NS_DIGITS)
    return f"{whole}.{rest:0{NS_DIGITS}d}"


METRICS: Mapping[str, tuple[str, Callable[[Counts], int | str]]] = {
    "gapura_usage_calls_total": ("Calls that were answered.", lambda counts: counts.calls),
    "gapura_usage_rows_total": ("Rows of calls that were answered.", lambda counts: counts.rows),
    "gapura_usage_backend_seconds_total": (
        "Time that backends spent on calls that were answered, in seconds.",
        lambda counts: exactly(counts.backend_ns),
    ),
    "gapura_usage_feature_hits_total": (
        "Features that were looked up for calls that were answered.",
        lambda counts: counts.feature_hits,
    ),
}


def expose(totals: Mapping[Key, Counts], *, openmetrics: bool = False) -> Iterator[str]:
    """Yields the lines of all metrics, each with its line feed, without hurry; not the end of OpenMetrics."""
    labels = {key: labels_of(key) for key in rest_between(totals)}
    for name, (meaning, value_of) in METRICS.items():
        family = name.removesuffix("_total") if openmetrics else name
        yield f"# HELP {family} {meaning}\n# TYPE {family} counter\n"
        for key, told in rest_between(labels.items()):
            yield f"{name}{told} {value_of(totals[key])}\n"


def labels_of(key: Key) -> str:
    """Returns the labels of a tenant and model."""
    tenant, model = (name.translate(_ESCAPES) for name in key)
    return f'{{tenant="{tenant}",team="{team_of(model)}",model="{model}"}}'
