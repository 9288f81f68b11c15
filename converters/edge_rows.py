"""Rows at the edges of a sample, where a conversion is most likely to differ."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.layout import arrange, take, to_frame
from converters.signature import FLOATS, Feeds, InputSpec

EXTREME, MISSING, UNSEEN = "extreme", "missing", "unseen"
# Texts that no training set holds: nothing, blanks, other alphabets and signs, numbers, one endless word.
_UNSEEN_TEXTS = ("", "  ", "never seen before", "Ünïcödé ☃ İstanbul", "a.b-c_d's 42%", "UPPER lower", "x" * 300)


def derive_edge_rows(sample: Feeds, spec: InputSpec) -> dict[str, Feeds]:
    """Returns rows by kind: typical ones with one column at an edge. Kinds without any row are left out.

    `extreme` has the typical row itself, and each column of numbers at its minimum, its maximum and 0; `missing` has
    NaN where the sample has, or the signature says that the column may be missing; `unseen` has texts that the sample
    does not have.

    Args:
        sample: At least one row.
        spec: What the rows are.
    """
    if spec.shapes:
        return {EXTREME: _fill_tensors(sample)}
    table = to_frame(sample, spec)
    typical = {name: _typical(table[name].to_numpy()) for name in spec.columns}
    edges: dict[str, list[dict[str, Any]]] = {EXTREME: [typical], MISSING: [], UNSEEN: []}
    for name, datatype in zip(spec.columns, spec.datatypes, strict=True):
        for kind, value in _edges_of(table[name].to_numpy(), datatype, optional=name in spec.optional):
            edges[kind].append(typical | {name: value})
    return {kind: _lay_out(rows, spec) for kind, rows in edges.items() if rows}


def _lay_out(rows: list[dict[str, Any]], spec: InputSpec) -> Feeds:
    return arrange({name: np.array([row[name] for row in rows]) for name in spec.columns}, spec)


def _typical(values: NDArray[Any]) -> Any:
    if values.dtype.kind == "f":
        known = values[~np.isnan(values)]
        return float(np.median(known)) if known.size else 0.0
    if values.dtype.kind in "iu":
        return int(np.median(values))
    distinct, counts = np.unique(values.astype(str) if values.dtype == object else values, return_counts=True)
    return distinct[counts.argmax()]


def _edges_of(values: NDArray[Any], datatype: str, *, optional: bool) -> Iterator[tuple[str, Any]]:
    if datatype == "BYTES":
        yield from ((UNSEEN, text) for text in _UNSEEN_TEXTS)
        return
    missing = np.isnan(values) if datatype in FLOATS else np.zeros(len(values), dtype=bool)
    known = values[~missing]
    ends = {0, *((known.min().item(), known.max().item()) if known.size else ())}
    yield from ((EXTREME, value) for value in sorted(ends))
    if datatype in FLOATS and (optional or missing.any()):
        yield MISSING, np.nan


def _fill_tensors(sample: Feeds) -> Feeds:
    """The first row, and copies of it with one tensor all at its minimum, its maximum, or 0."""
    first = take(sample, slice(1))
    rows = [first]
    for name, values in sample.items():
        if values.dtype != object:
            rows += [{**first, name: np.full_like(first[name], value)} for value in (values.min(), values.max(), 0)]
    return {name: np.concatenate([row[name] for row in rows]) for name in sample}
