"""A small view, its source, and what materialises it at once."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from gapura_features import Row, row_key
from gapura_features.packed import RowFormat

from hub.features.connection import connect
from hub.features.declaration import Declaration, read_declaration
from hub.features.materializing import Materialization, Result
from hub.features.store import Store
from tests.catalog.valkey import Valkey

NOW_MS = 1_795_950_000_000

DECLARED = """
view: customer_test
team: team3
entity: customer
freshness: 1d
degrade: {rule: stale, within: 7d}
source: {parquet: SOURCE, entity: customer_id, event_time: event_time}
columns:
  - {name: income, type: float32, default: 5}
  - {name: age, type: int32, from: years}
  - {name: city, type: string, default: Bonn}
"""

SCHEMA = pa.schema(
    [
        ("customer_id", pa.string()),
        ("event_time", pa.timestamp("ms", tz="UTC")),
        ("income", pa.float64()),
        ("years", pa.int64()),
        ("city", pa.string()),
    ]
)


class Quiet:
    """Shows nothing."""

    def stage(self, words: str) -> None:
        """Names what is being done."""

    def rows(self, done: int, total: int) -> None:
        """Takes how many rows are written."""


def declare(source: Path, text: str = DECLARED) -> Declaration:
    """Returns the view, with its source in a file."""
    return read_declaration(text.replace("SOURCE", str(source)), "test.yaml")


def write_source(path: Path, rows: Sequence[tuple[Any, ...]]) -> Path:
    """Writes rows of (id, event time in ms, income, years, city)."""
    columns = [list(values) for values in zip(*rows, strict=True)] if rows else [[] for _ in SCHEMA]
    arrays = [pa.array(values, field.type) for values, field in zip(columns, SCHEMA, strict=True)]
    pq.write_table(pa.table(arrays, schema=SCHEMA), path)
    return path


def store_of(valkey: Valkey, view: str = "customer_test") -> Store:
    """Returns the view in a Redis."""
    return Store(connect(valkey.url()), view)


def materialization(valkey: Valkey, declaration: Declaration, folder: Path) -> Materialization:
    """Returns what materialises a view without waiting for anybody."""
    store = store_of(valkey, declaration.view)
    return Materialization(store, declaration, folder, Quiet(), settle_seconds=0, grace_seconds=0)


def materialize(valkey: Valkey, declaration: Declaration, folder: Path, **others: Any) -> Result:
    """Materialises a view without waiting for anybody."""
    return replace(materialization(valkey, declaration, folder), **others).run()


def live_row(valkey: Valkey, declaration: Declaration, entity: str) -> Row | None:
    """Returns the row that a reader finds."""
    store = store_of(valkey, declaration.view)
    packed = valkey.do("GET", row_key(declaration.view, store.pointer().live, entity))
    return RowFormat(declaration.row_schema).unpack(packed) if packed else None
