"""A packed row holds exactly what was packed, whatever that is, and anything else is no row."""

import math
import struct
from contextlib import suppress
from typing import Any

import pytest
from gapura_features.packed import HEADER, MOST_ROW_BYTES, CorruptRow, RowFormat, event_time_of
from gapura_features.schema import MOST_TEXT_BYTES, BadValue, Column, FeatureType, Schema, Value
from hypothesis import given
from hypothesis import strategies as st

VALUES: dict[FeatureType, st.SearchStrategy[Any]] = {
    FeatureType.FLOAT32: st.floats(width=32),
    FeatureType.FLOAT64: st.floats(),
    FeatureType.INT32: st.integers(-(2**31), 2**31 - 1),
    FeatureType.INT64: st.integers(-(2**63), 2**63 - 1),
    FeatureType.BOOL: st.booleans(),
    FeatureType.STRING: st.text(),
    FeatureType.BYTES: st.binary(),
}
EXTREMES: list[tuple[FeatureType, Value]] = [
    (FeatureType.INT64, 2**53 + 1),
    (FeatureType.INT64, -(2**63)),
    (FeatureType.FLOAT64, 2.0**-1074),
    (FeatureType.FLOAT32, -0.0),
    (FeatureType.FLOAT64, -0.0),
    (FeatureType.FLOAT32, math.nan),
    (FeatureType.FLOAT64, -math.inf),
    (FeatureType.STRING, "Größe 数 🜲\0"),
    (FeatureType.STRING, ""),
    (FeatureType.BYTES, b"\0\xff"),
    *((type_, None) for type_ in FeatureType),
]


def schema(types: list[FeatureType]) -> Schema:
    """Returns a schema of columns of these types."""
    return Schema.of(Column(f"c{number}", type_) for number, type_ in enumerate(types))


def same(one: Value, other: Value) -> bool:
    """Says whether two values are the same, the sign of a zero and NaN included."""
    if isinstance(one, float) and isinstance(other, float):
        return math.copysign(1, one) == math.copysign(1, other) and (
            one == other or (math.isnan(one) and math.isnan(other))
        )
    return type(one) is type(other) and one == other


@st.composite
def rows(draw: st.DrawFn) -> tuple[Schema, tuple[Value, ...], int]:
    """Draws a schema, a row of it, and an event time."""
    types = draw(st.lists(st.sampled_from(FeatureType), min_size=1, max_size=20))
    values = tuple(draw(st.none() | VALUES[type_]) for type_ in types)
    return schema(types), values, draw(st.integers(-(2**40), 2**45))


@given(rows())
def test_what_is_packed_is_what_is_unpacked(drawn: tuple[Schema, tuple[Value, ...], int]) -> None:
    columns, values, event_time_ms = drawn
    packed = RowFormat(columns).pack(values, event_time_ms)
    row = RowFormat(columns).unpack(packed)
    assert all(map(same, row.values, values)), (row.values, values)
    assert row.event_time_ms == event_time_of(packed) == event_time_ms


@pytest.mark.parametrize(("type_", "value"), EXTREMES)
def test_extreme_values_are_kept(type_: FeatureType, value: Value) -> None:
    format_ = RowFormat(schema([type_]))
    assert same(format_.unpack(format_.pack((value,), 0)).values[0], value)


@given(rows(), st.data())
def test_a_row_that_is_cut_or_longer_is_corrupt(
    drawn: tuple[Schema, tuple[Value, ...], int], data: st.DataObject
) -> None:
    columns, values, event_time_ms = drawn
    format_ = RowFormat(columns)
    packed = format_.pack(values, event_time_ms)
    for spoiled in (packed[: data.draw(st.integers(0, len(packed) - 1))], packed + b"\0"):
        with pytest.raises(CorruptRow):
            format_.unpack(spoiled)


@given(rows(), st.binary(max_size=200))
def test_any_bytes_are_a_row_or_corrupt(drawn: tuple[Schema, tuple[Value, ...], int], noise: bytes) -> None:
    columns, values, event_time_ms = drawn
    format_ = RowFormat(columns)
    head = format_.pack(values, event_time_ms)[: HEADER.size]
    for content in (noise, head + noise):
        with suppress(CorruptRow):
            assert len(format_.unpack(content).values) == len(values)


def test_a_row_of_other_columns_is_corrupt() -> None:
    packed = RowFormat(schema([FeatureType.INT64])).pack((1,), 0)
    with pytest.raises(CorruptRow, match="other columns"):
        RowFormat(schema([FeatureType.FLOAT64])).unpack(packed)


def test_the_layout_is_the_documented_one() -> None:
    columns = Schema.of(
        [
            Column("name", FeatureType.STRING),
            Column("income", FeatureType.FLOAT32),
            Column("visits", FeatureType.INT64),
            Column("debt", FeatureType.FLOAT32),
        ]
    )
    packed = RowFormat(columns).pack(("añ", 1.5, None, -2.0), 1_700_000_000_000)
    assert packed == (
        struct.pack("<HHIq", 1, 4, columns.hash, 1_700_000_000_000)
        + struct.pack("<2f", 1.5, -2.0)
        + bytes([0b0100])
        + struct.pack("<q", 0)
        + struct.pack("<I", 3)
        + "añ".encode()
    )


@pytest.mark.parametrize(
    ("type_", "value", "need"),
    [
        (FeatureType.FLOAT32, 1e39, "must be at most 3.402823466e+38 in size, got 1e+39"),
        (FeatureType.FLOAT32, "1", "must be a number, got '1'"),
        (FeatureType.FLOAT64, True, "must be a number, got True"),
        (FeatureType.FLOAT64, 10**400, "must be at most"),
        (FeatureType.INT32, 2**31, "must be an integer of 32 bits"),
        (FeatureType.INT64, 1.0, "must be an integer of 64 bits, got 1.0"),
        (FeatureType.BOOL, 1, "must be true or false, got 1"),
        (FeatureType.STRING, b"x", "must be text, got b'x'"),
        (FeatureType.STRING, "\ud800", "must be valid Unicode"),
        (FeatureType.STRING, "ä" * (MOST_TEXT_BYTES // 2 + 1), "must have at most 65,536 bytes, got 65,538"),
        (FeatureType.BYTES, "x", "must be bytes, got 'x'"),
    ],
)
def test_a_value_that_does_not_fit_is_told_with_its_column(type_: FeatureType, value: Any, need: str) -> None:
    with pytest.raises(BadValue) as refused:
        RowFormat(schema([FeatureType.BOOL, type_])).pack((None, value), 0)
    assert refused.value.column == "c1"
    assert need in str(refused.value)


def test_a_row_has_as_many_values_as_columns_and_a_sensible_time_and_size() -> None:
    format_ = RowFormat(schema([FeatureType.STRING] * 17))
    with pytest.raises(BadValue, match="must be 17, got 1"):
        format_.pack((None,), 0)
    with pytest.raises(BadValue, match="285,000 years"):
        format_.pack((None,) * 17, 2**60)
    with pytest.raises(BadValue, match=f"at most {MOST_ROW_BYTES:,} bytes together"):
        format_.pack(("x" * MOST_TEXT_BYTES,) * 17, 0)
