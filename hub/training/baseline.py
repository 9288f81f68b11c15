"""Describes training data, so that what is served later can be held against it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

_DECILES = tuple(round(0.1 * step, 1) for step in range(1, 10))


def describe_training(features: pd.DataFrame, scores: pd.Series) -> Mapping[str, Any]:
    """Returns the quality baseline, ready for JSON: numbers by their deciles, texts by those of their lengths.

    Args:
        features: Training rows, one column per feature.
        scores: The model's score of each row.
    """
    return {
        "rows": len(features),
        "features": {str(name): _describe(column) for name, column in features.items()},
        "score": _describe(scores),
    }


def _describe(column: pd.Series) -> dict[str, Any]:
    known = column.dropna()
    if known.empty:
        return {"count": 0, "missing_share": 1.0}
    described = _describe_numbers if pd.api.types.is_numeric_dtype(known) else _describe_texts
    return {"count": len(known), "missing_share": 1 - len(known) / len(column)} | described(known)


def _describe_numbers(known: pd.Series) -> dict[str, Any]:
    numbers = known.to_numpy(dtype=np.float64)
    return {
        "mean": float(numbers.mean()),
        "std": float(numbers.std()),
        "minimum": float(numbers.min()),
        "maximum": float(numbers.max()),
        "deciles": np.quantile(numbers, _DECILES).tolist(),
    }


def _describe_texts(known: pd.Series) -> dict[str, Any]:
    """Lengths are of characters, not of bytes."""
    return {"length_deciles": np.quantile(known.str.len(), _DECILES).tolist()}
