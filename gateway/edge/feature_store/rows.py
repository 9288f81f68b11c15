"""Reads pushed rows: whatever is wrong with one of them refuses all, before anything is written."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from erpml.hub.v1.feature_store_service_pb2 import FeatureRow
from erpml.types.v1.feature_view_pb2 import FeatureValue
from gapura_features.keys import MOST_ENTITY_BYTES, is_entity
from gapura_features.schema import FIELDS, BadValue, Column, value_of
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.errors import InvalidFields
from gateway.feature_views import FeatureView, FreshRow

MOST_ENTITIES = 512
MOST_FAULTS = 12  # as many as an answer tells of
FUTURE_MS = 60_000
EARLIEST_SECONDS, LATEST_SECONDS = -62_135_596_800, 253_402_300_799  # the years 1 to 9999, as of protobuf
SECOND_NANOS, MS_NANOS = 1_000_000_000, 1_000_000

Fault = tuple[str, str]


def read_rows(view: FeatureView, rows: Sequence[FeatureRow], now_ms: int) -> list[FreshRow]:
    """Reads rows of a view.

    Args:
        view: The view.
        rows: The rows.
        now_ms: The time, in milliseconds since 1970.

    Raises:
        InvalidFields: Some of them are not valid; it names the first.
    """
    check_count("rows", len(rows))
    every = (
        (f"rows[{position}]{field}", need)
        for position, row in enumerate(rows)
        for field, need in faults_of(view, row, now_ms)
    )
    faults = list(islice(every, MOST_FAULTS))
    if faults:
        raise InvalidFields(faults)
    return [read_row(view, row, now_ms) for row in rows]


def read_row(view: FeatureView, row: FeatureRow, now_ms: int) -> FreshRow:
    """Reads a row that is valid."""
    values = row.values
    event_time_ms = ms_of(row.event_time) if row.HasField("event_time") else now_ms
    return FreshRow(
        row.entity_id, tuple(value_of(values[column.name]) for column in view.schema.columns), event_time_ms
    )


def check_count(field: str, count: int) -> None:
    """Checks how many entities a request has.

    Raises:
        InvalidFields: They are none, or too many.
    """
    if not count:
        raise InvalidFields([(field, f"is required; send 1 to {MOST_ENTITIES}")])
    if count > MOST_ENTITIES:
        raise InvalidFields([(field, f"must be at most {MOST_ENTITIES}, got {count:,}; send several calls")])


def entity_need(entity: str) -> str:
    """Returns what an id of an entity needs to be, or an empty string."""
    if is_entity(entity):
        return ""
    return f"must have 1 to {MOST_ENTITY_BYTES} bytes, has {len(entity.encode()):,}"


def faults_of(view: FeatureView, row: FeatureRow, now_ms: int) -> Iterator[Fault]:
    """Yields what is wrong with a row."""
    need = entity_need(row.entity_id)
    if need:
        yield ".entity_id", need
    need = time_need(row.event_time, now_ms) if row.HasField("event_time") else ""
    if need:
        yield ".event_time", need
    values = dict(row.values)
    names = [column.name for column in view.schema.columns]
    for name in sorted(values.keys() - set(names)):
        yield f".values[{name}]", f"view '{view.name}' has no such column, only {', '.join(names)}"
    for column in view.schema.columns:
        need = value_need(column, values)
        if need:
            yield f".values[{column.name}]", need


def value_need(column: Column, values: Mapping[str, FeatureValue]) -> str:
    """Returns what the value of a column needs to be, or an empty string."""
    value = values.get(column.name)
    if value is None:
        return "is required; an empty value is null"
    field = FIELDS[column.type]
    if value.WhichOneof("value") not in {None, field}:
        return f"must be set as `{field}`, since the column is {column.type.name}; got `{value.WhichOneof('value')}`"
    try:
        column.check(value_of(value))
    except BadValue as error:
        return error.need
    return ""


def time_need(time: Timestamp, now_ms: int) -> str:
    """Returns what an event time needs to be, or an empty string."""
    if not (EARLIEST_SECONDS <= time.seconds <= LATEST_SECONDS and 0 <= time.nanos < SECOND_NANOS):
        return "must be of the years 1 to 9999, with nanos from 0 to 999,999,999"
    ahead_ms = ms_of(time) - now_ms
    return f"must be at most 60 s ahead, is {ahead_ms / 1000:,.1f} s ahead" if ahead_ms > FUTURE_MS else ""


def ms_of(time: Timestamp) -> int:
    """Returns a time in milliseconds since 1970."""
    return time.seconds * 1000 + time.nanos // MS_NANOS
