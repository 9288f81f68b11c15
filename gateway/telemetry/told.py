"""What of a process's state is a metric too: gauges, and counts that its parts keep themselves."""

from collections.abc import Iterator
from time import time_ns
from typing import Any

from gateway.telemetry.families import (
    CATALOG_AGE,
    FEATURE_READS,
    FEATURE_ROWS,
    FEATURE_STATUS,
    GENERATION,
    HALTED,
    IN_FLIGHT,
    NODE_READY,
    NODE_ROWS,
    SLOTS,
    UNDER_WAY,
    USAGE_HELD,
    WAITING,
    Family,
)
from gateway.telemetry.layout import Labels
from gateway.telemetry.records import NS

EJECTED = 0.5

State = dict[str, Any]
Told = tuple[Family, Labels, float]


def gauges_of(state: State) -> Iterator[Told]:
    """Yields family, labels and value of every gauge."""
    yield IN_FLIGHT, (), state.get("calls_in_flight", 0)
    yield USAGE_HELD, (), state.get("usage_held_calls", 0)
    catalog = state.get("catalog") or {}
    yield GENERATION, (), catalog.get("generation", 0)
    since_ns = catalog.get("published_ns") or catalog.get("live_since_ns")
    yield CATALOG_AGE, (), (time_ns() - since_ns) / NS if since_ns else 0.0
    for lane in state.get("lanes", ()):
        version = lane["model"], str(lane["version"])
        yield WAITING, version, lane["waiting_rows"]
        yield UNDER_WAY, version, lane["under_way"]
        yield SLOTS, version, lane["slots"]
    for node in state.get("nodes", ()):
        health = 0.0 if not node["ready"] else EJECTED if node["ejected"] else 1.0
        yield NODE_READY, (node["address"], node["model"], str(node["version"])), health
        yield NODE_ROWS, (node["address"],), node["outstanding_rows"]
    for each in state.get("trials", ()):
        yield HALTED, (each["model"], each["experiment"], each["arm"], str(each["version"])), float(each["halted"])


def counts_of(state: State) -> Iterator[Told]:
    """Yields family, labels and number of everything that parts have counted since the process began."""
    features = state.get("features") or {}
    yield FEATURE_READS, (), features.get("reads", 0)
    for status, count in features.get("statuses", {}).items():
        yield FEATURE_STATUS, (status,), count
    for outcome in ("rows", "unread", "corrupt"):
        yield FEATURE_ROWS, (outcome,), features.get(outcome, 0)
