"""Tables and small models that every converter test can afford; the numbers are those that scikit-learn ships."""

from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from skl2onnx.sklapi import CastTransformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # publishes no types

from converters import Conversion, InputSpec

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


@cache
def tumours() -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """569 tumours in 30 measures; 1 is benign."""
    data = load_breast_cancer(as_frame=True)
    return data.data, data.target.to_numpy()


@cache
def wines() -> tuple[pd.DataFrame, NDArray[np.object_]]:
    """178 wines of three growers, in 13 measures; a tenth of the last is missing."""
    data = load_wine(as_frame=True)
    table = data.data.copy()
    table.loc[np.random.default_rng(0).random(len(table)) < 0.1, "proline"] = np.nan
    return table, np.array(["barolo", "grignolino", "barbera"], dtype=object)[data.target]


@cache
def patients() -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """442 patients in 10 measures, and how their illness goes on, 25 to 346."""
    data = load_diabetes(as_frame=True)
    return data.data, data.target.to_numpy()


@cache
def customers() -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """Draws 1,200 customers: doubles with gaps, whole numbers, texts and truth values; 1 has left."""
    random = np.random.default_rng(1)
    table = pd.DataFrame(
        {
            "monthly_amount": random.gamma(2, 30, 1200).round(2),
            "months": random.integers(0, 72, 1200),
            "contract": random.choice(["monthly", "yearly", "two years"], 1200, p=[0.6, 0.25, 0.15]),
            "region": random.choice(["north", "south", "öst"], 1200),
            "paperless": random.random(1200) < 0.6,
        }
    )
    table["usage"] = np.where(random.random(1200) < 0.1, np.nan, random.normal(10, 3, 1200))
    left = (table["contract"] == "monthly") & (table["months"] < 24) | (random.random(1200) < 0.1)
    return table, left.to_numpy().astype(np.int64)


@cache
def reviews() -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """Draws 600 reviews, half of them good: words of both cases, accents, digits, signs."""
    random = np.random.default_rng(2)
    words = {
        0: ["bad", "slow", "late", "broken", "Awful", "never", "refund", "worst", "cold", "über"],
        1: ["good", "fast", "fresh", "LOVELY", "great", "friendly", "best", "warm", "café", "again"],
    }
    filler = ["the", "it", "was", "and", "a", "very", "in", "2", "days", "food", "don't", "e-mail", "100%", "our_order"]
    liked = random.integers(0, 2, 600)
    texts = [
        " ".join(random.choice(words[each] + filler, random.integers(3, 15))) + random.choice([".", "!", ""])
        for each in liked
    ]
    return pd.DataFrame({"review": texts}), liked


def outputs_of(conversion: Conversion) -> list[tuple[str, str, tuple[int, ...]]]:
    """Name, type and row shape of each output."""
    return [(output.name, output.datatype, output.dims) for output in conversion.signature.outputs]


def require_proof(conversion: Conversion, largest: float) -> None:
    """At least 1,000 rows agree within `largest`, in batches of every size, and edges were among them."""
    report = conversion.report
    assert report.passed
    assert report.batch_invariant
    assert report.rows >= 1000
    assert report.kinds.get("extreme", 0) or report.kinds.get("unseen", 0)
    assert report.max_abs_diff <= largest
