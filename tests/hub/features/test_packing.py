"""Rows that are packed together have the bytes of rows that are packed one by one."""

from typing import Any

import pyarrow as pa
from gapura_features import Column, FeatureType, Schema
from gapura_features.packed import RowFormat
from hypothesis import given
from hypothesis import strategies as st

from hub.features.packing import ARROW_TYPES, Packer

VALUES: dict[FeatureType, st.SearchStrategy[Any]] = {
    FeatureType.FLOAT32: st.floats(width=32),
    FeatureType.FLOAT64: st.floats(),
    FeatureType.INT32: st.integers(-(2**31), 2**31 - 1),
    FeatureType.INT64: st.integers(-(2**63), 2**63 - 1),
    FeatureType.BOOL: st.booleans(),
    FeatureType.STRING: st.text(st.characters(exclude_categories=["Cs"])),
    FeatureType.BYTES: st.binary(),
}


@st.composite
def tables(draw: st.DrawFn, *, fixed: bool) -> tuple[Schema, list[tuple[Any, ...]], list[int]]:
    kinds = [type_ for type_ in FeatureType if not fixed or type_ < FeatureType.STRING]
    types = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=20))
    schema = Schema.of(Column(f"c{index}", type_) for index, type_ in enumerate(types))
    row = st.tuples(*(st.none() | VALUES[type_] for type_ in types))
    rows = draw(st.lists(row, max_size=8))
    times = draw(st.lists(st.integers(-(2**50), 2**50), min_size=len(rows), max_size=len(rows)))
    return schema, rows, times


def check(schema: Schema, rows: list[tuple[Any, ...]], times: list[int]) -> None:
    columns = [
        pa.array([row[index] for row in rows], ARROW_TYPES[column.type]) for index, column in enumerate(schema.columns)
    ]
    one_by_one = [RowFormat(schema).pack(row, time) for row, time in zip(rows, times, strict=True)]
    assert Packer(schema).pack(columns, pa.array(times, pa.int64())) == one_by_one


@given(tables(fixed=True))
def test_columns_of_fixed_size_are_packed_alike(table: tuple[Schema, list[tuple[Any, ...]], list[int]]) -> None:
    check(*table)


@given(tables(fixed=False))
def test_columns_of_any_type_are_packed_alike(table: tuple[Schema, list[tuple[Any, ...]], list[int]]) -> None:
    check(*table)
