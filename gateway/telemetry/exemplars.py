"""Exemplars: for each bucket of a duration the latest call in it whose trace is kept."""

from bisect import bisect_left
from collections import OrderedDict
from typing import NamedTuple

from gateway.telemetry.families import CALLS
from gateway.telemetry.instruments import OTHER
from gateway.telemetry.layout import Labels
from gateway.telemetry.records import NS, Record
from gateway.telemetry.words import service_and_method

MOST = 1_000
UNKNOWN_METHOD = "UNIMPLEMENTED"


class Exemplar(NamedTuple):
    """A call that stands for others.

    Attributes:
        family: Name of the metric, as Prometheus knows it.
        labels: Of the series.
        value: What was measured of it.
        trace_id: 32 hexadecimal digits.
        span_id: 16 hexadecimal digits.
        time_seconds: When it ended, in seconds since 1970.
    """

    family: str
    labels: Labels
    value: float
    trace_id: str
    span_id: str
    time_seconds: float


class Exemplars:
    """The latest exemplars; written by one thread, read by others."""

    def __init__(self) -> None:
        self._found: OrderedDict[tuple[Labels, int], Exemplar] = OrderedDict()

    def take(self, call: Record) -> None:
        """Takes the record of a call."""
        version = str(call["version"] or "")
        unknown = call["code_name"] == UNKNOWN_METHOD and not call["model"]
        service, method = (OTHER, OTHER) if unknown else service_and_method(call["path"])
        labels: Labels = (call["tenant"], service, method, call["model"], version)
        labels = (*labels, call["arm"], call["code_name"])
        seconds = call["seconds"]
        key = labels, bisect_left(CALLS.bounds, seconds)
        ended = call["start_ns"] / NS + seconds
        self._found[key] = Exemplar(CALLS.name, labels, seconds, call["trace"], call["span"], ended)
        self._found.move_to_end(key)
        if len(self._found) > MOST:
            self._found.popitem(last=False)

    def all(self) -> list[Exemplar]:
        """Returns them."""
        return list(self._found.copy().values())
