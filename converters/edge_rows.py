"""Rows at the edges of a sample, where a conversion is most likely to differ."""

import numpy as np

from converters.signature import Rows


def derive_edge_rows(sample: Rows) -> Rows:
    """Returns the median row, and copies of it with one column at its minimum, its maximum, 0, or NaN.

    NaN is tried only in columns where the sample has missing values.

    Args:
        sample: `[rows, columns]`, at least one row.
    """
    missing = np.isnan(sample)
    present = np.where(missing, 0, sample)
    typical = np.median(present, axis=0)
    rows = [typical]
    for column in range(sample.shape[1]):
        known = sample[~missing[:, column], column]
        values = {0.0, *((float(known.min()), float(known.max())) if known.size else ())}
        edges = sorted(values) + ([np.nan] if missing[:, column].any() else [])
        rows += [_with(typical, column, value) for value in edges]
    return np.stack(rows).astype(sample.dtype)


def _with(row: Rows, column: int, value: float) -> Rows:
    changed = row.copy()
    changed[column] = value
    return changed
