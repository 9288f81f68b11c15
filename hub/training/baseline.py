"""Describes training data, so that what is served later can be held against it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

_DECILES = tuple(round(0.1 * step, 1) for step in range(1, 10))


def describe_training(features: pd.DataFrame, scores: pd.Series) -> Mapping[str, Any]:
    """Returns the quality baseline, ready for JSON.

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
    known = column.dropna().to_numpy(dtype=np.float64)
    if not len(known):
        return {"count": 0, "missing_share": 1.0}
    return {
        "count": len(known),
        "missing_share": 1 - len(known) / len(column),
        "mean": float(known.mean()),
        "std": float(known.std()),
        "minimum": float(known.min()),
        "maximum": float(known.max()),
        "deciles": np.quantile(known, _DECILES).tolist(),
    }
