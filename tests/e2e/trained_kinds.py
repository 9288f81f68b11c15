"""Small trained models of every library that the converters know; each says itself what it answers."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor, IsolationForest, RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # publishes no types

from tests.converters.samples import customers, patients, reviews, tumours, wines
from tests.e2e.kinds import Arrays, Kind, Kinds, column, columns_of, matrix_of

ROWS = 40
GROWERS = {"barolo": "Château Müller 🍷", "barbera": "two\nlines", "grignolino": "grignolino"}
ODD_NAMES = {"monthly_amount": 'amount (€) "gross"', "region": "region/code:0"}  # as spreadsheets have them
PICKLED = {"serialization_format": "cloudpickle"}


def classified(model: Any, rows: Any) -> Arrays:
    """Returns what a classifier answers itself."""
    return {"label": column(model.predict(rows)), "probabilities": model.predict_proba(rows)}


def text_labels() -> Kind:
    """Classes that are texts, one of them of two lines; some values are missing."""
    table, growers = wines()
    model = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression())
    model.fit(table, np.array([GROWERS[grower] for grower in growers], dtype=object))
    rows = table[::4].head(ROWS)
    return Kind("sklearn", model, matrix_of(rows), classified(model, rows), table, settings=PICKLED)


def mixed(names: Mapping[str, str]) -> Kind:
    """Returns a classifier of doubles with gaps, whole numbers, texts and truth values: one tensor per column.

    Args:
        names: New names of columns, by the old ones.
    """
    drawn, left = customers()
    table = drawn.rename(columns=names)
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), table.select_dtypes("number").columns.tolist()),
        (OneHotEncoder(handle_unknown="ignore"), table.select_dtypes("str").columns.tolist()),
        remainder="passthrough",
    )
    model = make_pipeline(columns, LogisticRegression()).fit(table, left)
    rows = table.head(ROWS).copy()
    rows.loc[0, "contract"], rows.loc[1, "contract"] = "żółw, which nobody has seen", ""
    return Kind("sklearn", model, columns_of(rows), classified(model, rows), table, settings=PICKLED)


def light_trees() -> Kind:
    from lightgbm import LGBMClassifier  # noqa: PLC0415 - each library is imported by its own model alone

    table, benign = tumours()
    model = LGBMClassifier(n_estimators=20, verbose=-1, n_jobs=1).fit(table, benign)
    rows = table.head(ROWS)
    return Kind("lightgbm", model, matrix_of(rows), classified(model, rows), table, settings=PICKLED)


def extreme_trees() -> Kind:
    from xgboost import XGBRegressor  # noqa: PLC0415 - as above

    table, progress = patients()
    model = XGBRegressor(n_estimators=20, n_jobs=1).fit(table, progress)
    rows = table.head(ROWS)
    return Kind("xgboost", model, matrix_of(rows), {"prediction": column(model.predict(rows))}, table, 1e-4)


def cat_trees() -> Kind:
    """Classes that are texts, and missing values."""
    from catboost import CatBoostClassifier  # noqa: PLC0415 - as above

    table, growers = wines()
    model = CatBoostClassifier(iterations=20, verbose=0, allow_writing_files=False, thread_count=1).fit(table, growers)
    rows = table[::4].head(ROWS)
    return Kind("catboost", model, matrix_of(rows), classified(model, rows), table)


def clusters() -> Kind:
    table, _ = tumours()
    rows = table.head(ROWS)
    with threadpool_limits(1):
        model = make_pipeline(StandardScaler(), KMeans(4, n_init=1, random_state=0)).fit(table)
        answers = {"label": column(model.predict(rows)), "distances": model.transform(rows)}
    return Kind("sklearn", model, matrix_of(rows), answers, table, settings=PICKLED)


def outliers() -> Kind:
    table, _ = tumours()
    model = IsolationForest(n_estimators=20, random_state=0).fit(table)
    rows = table.head(ROWS)
    answers = {"label": column(model.predict(rows)), "score": column(model.decision_function(rows))}
    return Kind("sklearn", model, matrix_of(rows), answers, table, settings=PICKLED)


def review_texts() -> Kind:
    """Texts of any length and language."""
    table, liked = reviews()
    words = make_column_transformer((TfidfVectorizer(), "review"))
    model = make_pipeline(words, LogisticRegression()).fit(table, liked)
    rows = pd.DataFrame({"review": ["", "ÜBER good café", "亀 🐢 fresh", "slow " * 3000, *table["review"].head(ROWS)]})
    return Kind("sklearn", model, columns_of(rows), classified(model, rows), table, settings=PICKLED)


def predicting(model: Any) -> Kind:
    """Returns a regressor, trained on doubles."""
    table, progress = patients()
    with threadpool_limits(1):
        model.fit(table, progress)
    rows = table.head(ROWS)
    return Kind(
        "sklearn",
        model,
        matrix_of(rows),
        {"prediction": column(model.predict(rows))},
        table,
        tolerance=1e-4,
        settings=PICKLED,
    )


def scaled_forest() -> Kind:
    return predicting(make_pipeline(StandardScaler(), RandomForestRegressor(10, random_state=0)))


def histograms() -> Kind:
    """Trees that compare doubles, also in the graph."""
    return predicting(HistGradientBoostingRegressor(max_iter=10, random_state=0))


def keras_network() -> Kind:
    """A recurrent network over series `[8, 3]`."""
    from keras import Input, Sequential, layers  # noqa: PLC0415 - as above; this takes seconds

    series = np.random.default_rng(0).normal(size=(ROWS, 8, 3)).astype(np.float32)
    model = Sequential([Input((8, 3)), layers.LSTM(5), layers.Dense(2, "softmax")])
    return Kind("keras", model, {"input": series}, {"probabilities": model.predict(series, verbose=0)}, series)


def torch_network() -> Kind:
    """A convolution over series `[8, 3]`."""
    from torch import from_numpy, manual_seed, nn  # noqa: PLC0415 - as above

    manual_seed(0)
    series = np.random.default_rng(1).normal(size=(ROWS, 8, 3)).astype(np.float32)
    model = nn.Sequential(nn.Conv1d(8, 4, 2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2)).eval()
    answers = {"prediction": model(from_numpy(series)).detach().numpy()}
    return Kind("pytorch", model, {"input": series}, answers, series, settings={"serialization_format": "pickle"})


TRAINED: Kinds = {
    "text_labels": text_labels,
    "mixed_table": partial(mixed, ODD_NAMES),
    "lightgbm": light_trees,
    "xgboost": extreme_trees,
    "catboost": cat_trees,
    "clusters.v2-b": clusters,
    "outliers": outliers,
    "reviews": review_texts,
    "scaled_forest": scaled_forest,
    "histograms": histograms,
    "keras": keras_network,
    "torch": torch_network,
}
