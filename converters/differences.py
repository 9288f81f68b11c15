"""Measures how far answers lie apart, row by row."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from converters.graph import CONTRIBUTIONS, DISTANCES, Tolerance
from converters.signature import Feeds

RowDifferences: TypeAlias = NDArray[np.float64]


def measure(native: Feeds, other: Feeds, tolerance: Tolerance) -> RowDifferences:
    """Returns each row's largest difference, `[rows]`, over the outputs that `native` has.

    Numbers differ absolutely, or by a share of the native one (at least of 1); two NaN or two equal infinities agree,
    a lone one differs without bound. Labels and texts differ without bound, or not at all; a label may differ where
    its row's two best scores tie.

    Args:
        native: Arrays `[rows, …]` by name.
        other: Arrays of the same shapes.
        tolerance: Says how to measure, and what is a tie.
    """
    rows = len(next(iter(native.values())))
    largest = np.zeros(rows)
    for name, answer in native.items():
        left, right = answer.reshape(rows, -1), np.asarray(other[name]).reshape(rows, -1)
        if answer.dtype.kind == "f":
            apart = _numbers(left, right, tolerance)
        else:
            apart = np.where(_texts(left) == _texts(right), 0.0, np.inf)
            apart[find_ties(native, tolerance)] = 0.0
        largest = np.maximum(largest, apart.max(axis=1, initial=0.0))
    return largest


def find_ties(answers: Feeds, tolerance: Tolerance) -> NDArray[np.bool_]:
    """Returns the rows, `[rows]`, whose two best scores lie so close that either label is right.

    A single score decides by its sign.
    """
    rows = len(next(iter(answers.values())))
    ties = np.zeros(rows, dtype=bool)
    for name, answer in answers.items():
        if answer.dtype.kind == "f" and rows and name != CONTRIBUTIONS:  # which are of columns, not of labels
            scores = answer.reshape(rows, -1).astype(np.float64)
            best = np.sort(-scores if name == DISTANCES else scores, axis=1)
            gap = best[:, -1] - best[:, -2] if best.shape[1] > 1 else np.abs(best[:, -1])
            ties |= gap <= 2 * tolerance.value * (np.maximum(1, np.abs(best[:, -1])) if tolerance.relative else 1)
    return ties


def _numbers(native: NDArray[Any], other: NDArray[Any], tolerance: Tolerance) -> NDArray[np.float64]:
    left, right = native.astype(np.float64), other.astype(np.float64)
    with np.errstate(invalid="ignore"):
        apart = np.abs(left - right)
    same = (left == right) | (np.isnan(left) & np.isnan(right))
    apart = np.where(same, 0.0, np.where(np.isnan(apart), np.inf, apart))
    return apart / np.maximum(1.0, np.abs(np.nan_to_num(left))) if tolerance.relative else apart


def _texts(values: NDArray[Any]) -> NDArray[Any]:
    """Texts may come as bytes or as str."""
    if values.dtype.kind not in "OSU":
        return values
    return np.array(
        [each.decode() if isinstance(each, bytes) else str(each) for each in values.ravel()], dtype=object
    ).reshape(values.shape)
