"""How good a stored row is, by the rules of its view: what gateways decide, for people and for training sets."""

from dataclasses import dataclass

from erpml.types.v1 import feature_view_pb2
from gapura_features import Row, Schema, Value


@dataclass(frozen=True, slots=True)
class Served:
    """What a call gets for one entity.

    Attributes:
        status: `fresh`, `stale`, `default` or `refused`.
        values: By column, with defaults in the place of nulls; all null where the call is refused.
        event_time_ms: When they were true; 0 for defaults.
    """

    status: str
    values: dict[str, Value]
    event_time_ms: int = 0


def serve(view: feature_view_pb2.FeatureView, row: Row | None, now_ms: int) -> Served:
    """Decides what a call at a time gets.

    Args:
        view: The view.
        row: What is stored; None where nothing is.
        now_ms: When the call is.
    """
    columns = Schema.read(view).columns
    blank = {column.name: column.default for column in columns}
    age_ms = now_ms - row.event_time_ms if row else 0
    stale = view.degrade == feature_view_pb2.DEGRADE_STALE and age_ms <= max(view.stale_ms, view.freshness_ms)
    if row and (age_ms <= view.freshness_ms or stale):
        found = {column.name: value for column, value in zip(columns, row.values, strict=True)}
        filled = {name: blank[name] if value is None else value for name, value in found.items()}
        defaulted = any(found[name] is None and blank[name] is not None for name in found)
        fresh = age_ms <= view.freshness_ms
        return Served("default" if defaulted else "fresh" if fresh else "stale", filled, row.event_time_ms)
    if view.degrade == feature_view_pb2.DEGRADE_REFUSE:
        return Served("refused", dict.fromkeys(blank))
    return Served("default", blank)
