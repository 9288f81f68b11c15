"""Pushed rows that are kept offline, in files of Parquet: what is pushed once is part of every later materialisation.

A file is named by the id of the last entry of the stream that is in it. Rows of other columns than those of the view,
as it was when they were kept, lie there packed: they are counted, and not read.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from gapura_features import CorruptRow, Schema
from gapura_features.packed import RowFormat, event_time_of
from gapura_features.pushing import PushedRow

from hub.durability import move
from hub.features.casting import cast, quoted, text_of
from hub.features.packing import ARROW_TYPES
from hub.features.sources import ENTITY, ORDER, RANK, TIME
from hub.features.store import Push, Store

PACKED, ID = "@packed", "@id"

_BATCH = 10_000
# Pushed rows win over rows of a source with the same entity and time, whose names are paths.
_LAST_RANK = "\U0010ffff"


class KeptPushes:
    """The kept pushes of one view.

    Args:
        folder: Where they lie.
        schema: The columns of the view.
    """

    def __init__(self, folder: Path, schema: Schema) -> None:
        self.folder = folder
        self._schema = schema
        self._format = RowFormat(schema)

    def files(self, after: str = "") -> list[Path]:
        """Returns the files whose names come after one, in order."""
        return [path for path in sorted(self.folder.glob("*.parquet")) if path.name > after]

    def last(self) -> str:
        """Returns the name of the last file; empty where there is none."""
        return max((path.name for path in self.files()), default="")

    def drain(self, store: Store) -> int:
        """Takes what is in the stream, and removes it there when it is safe on disk; returns how many rows."""
        drained = 0
        while pushes := store.pushes(_BATCH):
            self._write(pushes)
            store.forget_pushes(pushes[-1].id)
            drained += len(pushes)
            if len(pushes) < _BATCH:  # what comes meanwhile is for the next time
                break
        return drained

    def rows(self, after: str) -> Iterator[list[PushedRow]]:
        """Yields the rows of later files, packed, in batches."""
        for path in self.files(after):
            for batch in pq.ParquetFile(path).iter_batches(2_000):
                yield [self._pack(row) for row in batch.to_pylist() if row[PACKED] is None]

    def sql(self) -> str:
        """Returns SQL for all rows, in the columns of `typed_rows`; empty where there are none."""
        files = self.files()
        if not files:
            return ""
        known = {name for path in files for name in pq.read_schema(path).names}
        columns = [
            f"{cast(column.type, column.name) if column.name in known else 'NULL'} AS {quoted(column.name)}"
            for column in self._schema.columns
        ]
        relation = f"read_parquet([{', '.join(text_of(str(path)) for path in files)}], union_by_name = true)"
        return (
            f"SELECT {quoted(ENTITY)}, {quoted(TIME)}, {', '.join(columns)}, {text_of(_LAST_RANK)} AS {quoted(RANK)}, "  # noqa: S608 - names are quoted
            f"{quoted(ID)} AS {quoted(ORDER)} FROM {relation} WHERE {quoted(PACKED)} IS NULL"
        )

    def _pack(self, row: dict[str, Any]) -> PushedRow:
        values = [row[column.name] for column in self._schema.columns]
        return PushedRow(row[ENTITY], self._format.pack(values, row[TIME]))

    def _write(self, pushes: list[Push]) -> None:
        columns = self._schema.columns
        rows = [self._unpack(push) for push in pushes]
        arrays = {
            ID: pa.array([_order(push.id) for push in pushes], pa.int64()),
            ENTITY: pa.array([push.entity for push in pushes], pa.string()),
            TIME: pa.array([time for time, _, _ in rows], pa.int64()),
            PACKED: pa.array([packed for _, _, packed in rows], pa.binary()),
        }
        for index, column in enumerate(columns):
            values = [values[index] if values else None for _, values, _ in rows]
            arrays[column.name] = pa.array(values, ARROW_TYPES[column.type])
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / ".new"
        with temporary.open("wb") as file:
            pq.write_table(pa.table(arrays), file)
            file.flush()
            os.fsync(file.fileno())
        move(temporary, self.folder / f"{_order(pushes[-1].id):020d}.parquet")

    def _unpack(self, push: Push) -> tuple[int, tuple[Any, ...], bytes | None]:
        """Returns time and values of a pushed row, or the row as it is, where its columns are others."""
        try:
            row = self._format.unpack(push.row)
        except CorruptRow:
            return _time_of(push.row), (), push.row
        return row.event_time_ms, row.values, None


def _order(id_: str) -> int:
    """Returns the id of an entry as one number of 63 bits, which grows as ids do."""
    milliseconds, _, number = id_.partition("-")
    return (int(milliseconds) << 20) + min(int(number), (1 << 20) - 1)


def _time_of(packed: bytes) -> int:
    try:
        return event_time_of(packed)
    except CorruptRow:
        return 0
