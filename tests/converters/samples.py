"""Small samples and models that every converter test can afford."""

import numpy as np
from numpy.typing import NDArray
from skl2onnx.sklapi import CastTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # publishes no types

from converters import InputSpec

COLUMNS = ("income", "age", "debt", "visits")
DOUBLES = InputSpec(COLUMNS, ("FP64",) * len(COLUMNS))
FLOATS = InputSpec(COLUMNS, ("FP32",) * len(COLUMNS))


def draw_rows(rows: int = 1200, *, missing: bool = False) -> NDArray[np.float64]:
    """Draws `[rows, 4]` numbers of very different sizes; with `missing`, a tenth of the last column is NaN."""
    random = np.random.default_rng(0)
    drawn = random.normal(size=(rows, len(COLUMNS))) * [1e4, 10, 1, 0.1]
    if missing:
        drawn[random.random(rows) < 0.1, -1] = np.nan
    return drawn


def label(rows: NDArray[np.float64]) -> NDArray[np.int64]:
    """Labels rows 0 or 1."""
    labels: NDArray[np.int64] = (rows[:, 0] / 1e4 + rows[:, 1] / 10 > 0).astype(np.int64)
    return labels


def boosted_trees(rows: NDArray[np.float64]) -> Pipeline:
    """Trains a small model of the kind that is served most, on one thread: the tests' machine may be busy."""
    trees = HistGradientBoostingClassifier(max_iter=10, random_state=0)
    with threadpool_limits(1):
        return make_pipeline(CastTransformer(dtype=np.float32), trees).fit(rows, label(rows))
