"""Rows that benchmarks store: a view of twenty floats, and entities that have them."""

from collections.abc import Iterable
from time import time_ns
from typing import Any

from gapura_features.keys import row_key
from gapura_features.packed import RowFormat
from gapura_features.schema import Column, FeatureType, Schema, Value

from gateway.feature_views import Degrade, FeatureView

COLUMNS = 20
DAY_MS = 86_400_000


def make_view(degrade: Degrade = Degrade.STALE, name: str = "bench") -> FeatureView:
    """Returns a view of float32 columns whose rows are fresh for a day, and of some use for a week."""
    columns = [Column(f"c{number}", FeatureType.FLOAT32, 0.0) for number in range(COLUMNS)]
    return FeatureView(name, "entity", Schema.of(columns), DAY_MS, 7 * DAY_MS, degrade)


def values_of(number: int) -> tuple[Value, ...]:
    """Returns the row of an entity, which no other has."""
    return tuple(float(number * COLUMNS + column) for column in range(COLUMNS))


def store_rows(client: Any, view: FeatureView, entities: int) -> None:
    """Stores the rows of `e0`, `e1` and so on by a client of redis-py."""
    store(client, view, map(values_of, range(entities)))


def store(client: Any, view: FeatureView, rows: Iterable[tuple[Value, ...]]) -> None:
    """Stores rows as those of `e0`, `e1` and so on."""
    packer, now_ms = RowFormat(view.schema), time_ns() // 1_000_000
    client.mset({row_key(view.name, 1, f"e{number}"): packer.pack(row, now_ms) for number, row in enumerate(rows)})
