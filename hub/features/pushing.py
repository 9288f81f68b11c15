"""Pushes rows straight into Redis, from JSON lines or Parquet: `gapura features push`."""

import base64
import binascii
import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from gapura_features import BadValue, FeatureType, Schema, is_entity
from gapura_features.packed import RowFormat
from gapura_features.pushing import PushedRow
from pyarrow import ArrowException

from hub.errors import HubError
from hub.features.store import Store

_BATCH = 500
_FUTURE_MS = 60_000
_FLOATS = frozenset({FeatureType.FLOAT32, FeatureType.FLOAT64})


@dataclass(slots=True)
class Pushed:
    """What became of rows.

    Attributes:
        written: Rows that are live now.
        outdated: Rows that were left out, since a later one is live.
        refused: Rows that are not valid.
    """

    written: int = 0
    outdated: int = 0
    refused: int = 0


class RowReader:
    """Reads rows as people write them.

    Args:
        schema: The columns of the view.
        now_ms: Returns the time in milliseconds since 1970.
    """

    def __init__(self, schema: Schema, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self._columns = schema.columns
        self._names = {"entity", "event_time", *(column.name for column in schema.columns)}
        self._format = RowFormat(schema)
        self._now_ms = now_ms

    def read(self, row: Any) -> PushedRow:
        """Reads a row: `entity`, `event_time` unless it is now, and a value for every column.

        Raises:
            BadValue: It is not valid.
        """
        if not isinstance(row, dict):
            raise BadValue("row", "must be an object")
        unknown = sorted(map(str, row.keys() - self._names))
        missing = [column.name for column in self._columns if column.name not in row]
        if unknown or missing:
            raise BadValue((unknown or missing)[0], "is no column of the view" if unknown else "is missing; write null")
        entity = row.get("entity")
        if type(entity) is int:
            entity = str(entity)
        if not isinstance(entity, str) or not is_entity(entity):
            raise BadValue("entity", f"must be an id of 1 to 512 bytes, got {entity!r}")
        values = [_value(column.name, column.type, row[column.name]) for column in self._columns]
        return PushedRow(entity, self._format.pack(values, self._time(row.get("event_time"))))

    def _time(self, found: Any) -> int:
        now_ms = self._now_ms()
        event_time_ms = now_ms if found is None else _time_ms(found)
        if event_time_ms > now_ms + _FUTURE_MS:
            raise BadValue("event_time", f"must be at most a minute in the future, got {found}")
        return event_time_ms


def push(store: Store, reader: RowReader, rows: Iterable[tuple[int, Any]], complain: Callable[[str], None]) -> Pushed:
    """Pushes rows in batches; those that are not valid are told, and left out of theirs.

    Args:
        store: Where they go.
        reader: Reads them.
        rows: The rows with their numbers, from 1; an exception in place of a row says why there is none.
        complain: Takes what is wrong.

    Raises:
        HubError: Redis does not answer; pushing the same rows again does no harm.
    """
    counts, batch = Pushed(), list[PushedRow]()
    for number, row in rows:
        try:
            if isinstance(row, ValueError):
                raise row
            batch.append(reader.read(row))
        except ValueError as error:
            counts.refused += 1
            complain(f"line {number}: {error}")
        if len(batch) == _BATCH:
            _send(store, batch, counts)
    _send(store, batch, counts)
    return counts


def read_lines(lines: Iterable[str]) -> Iterator[tuple[int, Any]]:
    """Yields rows of JSON lines."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except ValueError as error:
                yield number, ValueError(f"this is not JSON: {error}")


def read_parquet(path: Path) -> Iterator[tuple[int, Any]]:
    """Yields rows of a file of Parquet.

    Raises:
        HubError: It cannot be read.
    """
    number = 0
    try:
        for batch in pq.ParquetFile(path).iter_batches(_BATCH):
            for row in batch.to_pylist():
                number += 1
                yield number, row
    except ArrowException as error:
        raise HubError(f"{path} cannot be read as Parquet: {error}") from error


def _send(store: Store, batch: list[PushedRow], counts: Pushed) -> None:
    if batch:
        written = store.push(batch)
        counts.written += written
        counts.outdated += len(batch) - written
        batch.clear()


def _value(name: str, type_: FeatureType, value: Any) -> Any:
    """Returns a value in the type that packing takes: bytes come as base64 in JSON."""
    if type_ is FeatureType.BYTES and isinstance(value, str):
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadValue(name, f"must be base64, got {value[:40]!r}") from error
    if type_ in _FLOATS and isinstance(value, Decimal):
        return float(value)
    return value


def _time_ms(found: Any) -> int:
    """Reads a time: ISO 8601, of UTC where it names no zone, or milliseconds since 1970."""
    if isinstance(found, str):
        try:
            found = datetime.fromisoformat(found)
        except ValueError as error:
            raise BadValue("event_time", f"must be a time as in 2026-11-29T08:00:00Z, got {found!r}") from error
    if isinstance(found, datetime):
        moment = found if found.tzinfo else found.replace(tzinfo=UTC)
        return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // _MILLISECOND
    if type(found) is not int:
        raise BadValue("event_time", f"must be a time or milliseconds since 1970, got {found!r}")
    return found


_MILLISECOND = datetime(1970, 1, 1, 0, 0, 0, 1000, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
