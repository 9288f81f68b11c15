"""Faults that converters are silent about: each is caught, with the reason and the way out."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier, LGBMRegressor
from skl2onnx.sklapi import CastTransformer
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import DBSCAN
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier, XGBRegressor

from converters import ConversionError, InputSpec, ParityError, convert
from tests.converters.samples import (
    COLUMNS,
    DOUBLES,
    customers,
    draw_rows,
    label,
    require_proof,
    reviews,
    tumours,
)

ROWS = draw_rows()
_LIGHT: dict[str, Any] = {"n_estimators": 10, "verbose": -1, "n_jobs": 1}
_EXTREME: dict[str, Any] = {"n_estimators": 10, "n_jobs": 1}


def test_trees_behind_a_scaler_see_what_they_saw_in_training() -> None:
    """Whole numbers, once scaled, lie on the thresholds: scaled in singles, some would take the other branch."""
    rows = np.where([False, True, False, False], ROWS.round(), ROWS)
    model = make_pipeline(StandardScaler(), RandomForestClassifier(20, random_state=0)).fit(rows, label(ROWS))
    require_proof(convert(model, DOUBLES, rows), 1e-6)


def test_histogram_boosting_on_doubles_compares_doubles() -> None:
    """Each threshold is asked from both sides, closer than a single can tell."""
    model = HistGradientBoostingClassifier(max_iter=10, random_state=0).fit(ROWS, label(ROWS))
    nodes = np.concatenate([predictor.nodes for (predictor,) in model._predictors])  # noqa: SLF001 - kept nowhere else
    nodes = nodes[nodes["is_leaf"] == 0]
    asked = np.repeat(ROWS[: len(nodes)], 2, axis=0)
    asked[np.arange(len(asked)), np.repeat(nodes["feature_idx"], 2)] = np.ravel(
        [nodes["num_threshold"], np.nextafter(nodes["num_threshold"], np.inf)], order="F"
    )
    require_proof(convert(model, DOUBLES, asked), 1e-6)


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(StandardScaler(), RandomForestClassifier(10, random_state=0)),
        ExtraTreesRegressor(10, random_state=0),
        DecisionTreeClassifier(random_state=0),
    ],
    ids=["forest", "extra trees", "tree"],
)
def test_missing_values_go_where_trees_send_them(model: Any) -> None:
    """skl2onnx sends them all to the right."""
    rows = draw_rows(missing=True)
    rows[(label(ROWS) > 0) & (ROWS[:, 2] > 0), 3] = np.nan
    require_proof(convert(model.fit(rows, label(ROWS)), DOUBLES, rows), 1e-6)


def categorical_splits() -> Any:
    rows = np.abs(ROWS).round()[:, [3, 1, 2, 0]]
    return HistGradientBoostingClassifier(max_iter=2, categorical_features=[0]).fit(rows, label(ROWS))


def zero_as_missing() -> Any:
    rows = np.where(ROWS > 0, ROWS, 0)
    return LGBMClassifier(zero_as_missing=True, **_LIGHT).fit(rows, label(ROWS))


def category_splits() -> Any:
    rows = np.abs(ROWS * [1, 1, 3, 1]).round()
    return LGBMClassifier(min_data_per_group=1, **_LIGHT).fit(rows, rows[:, 2] % 2 == 0, categorical_feature=[2])


@pytest.mark.parametrize(
    ("train", "advice"),
    [
        (categorical_splits, "categorical_features, which convert wrongly: encode"),
        (zero_as_missing, "zero_as_missing, which converts wrongly: train it without"),
        (lambda: LGBMRegressor(linear_tree=True, **_LIGHT).fit(ROWS, ROWS[:, 1]), "linear_tree.*train it without"),
        (
            lambda: LGBMClassifier(boosting_type="rf", bagging_freq=1, bagging_fraction=0.5, **_LIGHT).fit(
                ROWS, label(ROWS)
            ),
            "boosting_type 'rf'.*use 'gbdt'",
        ),
        (category_splits, "categorical_feature.*encode"),
        (lambda: XGBClassifier(booster="dart", **_EXTREME).fit(ROWS, label(ROWS)), "booster='dart'.*'gbtree'"),
        (lambda: XGBRegressor(booster="gblinear", **_EXTREME).fit(ROWS, ROWS[:, 1]), "booster='gblinear'"),
        (
            lambda: XGBClassifier(objective="binary:hinge", **_EXTREME).fit(ROWS, label(ROWS)),
            "labels alone: train it with binary:logistic",
        ),
        (
            lambda: CatBoostClassifier(iterations=2, verbose=0, allow_writing_files=False).fit(ROWS, label(ROWS) > 0),
            "labels True and False: train it on 1 and 0",
        ),
        (DBSCAN, "nothing to serve"),
        (LogisticRegression, "not fitted"),
        (
            lambda: make_pipeline(FunctionTransformer(np.cbrt), Ridge()).fit(ROWS, ROWS[:, 1]),
            "skl2onnx cannot convert Pipeline",
        ),
    ],
)
def test_what_would_convert_wrongly_is_refused(train: Callable[[], Any], advice: str) -> None:
    with pytest.raises(ConversionError, match=advice) as refused:
        convert(train(), DOUBLES, ROWS)
    assert not isinstance(refused.value, ParityError)  # it is known beforehand


def test_categories_of_xgboost_and_catboost_are_refused() -> None:
    table, left = customers()
    table = table[["monthly_amount", "contract"]].astype({"contract": "category"})
    cat = CatBoostClassifier(iterations=2, verbose=0, allow_writing_files=False, cat_features=["contract"])
    with pytest.raises(ConversionError, match=r"cat_features.*encode"):
        convert(cat.fit(table, left), sample=table.astype({"contract": str}))
    with pytest.raises(ConversionError, match=r"enable_categorical.*encode"):
        convert(XGBClassifier(enable_categorical=True, **_EXTREME).fit(table, left), sample=table)


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (TfidfVectorizer(sublinear_tf=True), "sublinear_tf=True, which converts wrongly"),
        (TfidfVectorizer(analyzer="char_wb"), "analyzer='char_wb'"),
        (TfidfVectorizer(analyzer="char", ngram_range=(2, 2)), "analyzer='char'"),
        (TfidfVectorizer(strip_accents="unicode"), "strip_accents"),
        (CountVectorizer(preprocessor=str.title), "a preprocessor of its own"),
        (CountVectorizer(tokenizer=str.split, token_pattern=None), "a tokenizer of its own"),
        (CountVectorizer(token_pattern=r"\b[a-z]+\b"), r"token_pattern.*reads otherwise"),  # noqa: S106 - no password
        (CountVectorizer(token_pattern=r"(good|bad)\w*"), r"'\('.*reads otherwise"),  # noqa: S106 - as above
        (CountVectorizer(token_pattern="^[a-z]+"), r"'\^'.*reads otherwise"),  # noqa: S106 - as above
        (CountVectorizer(stop_words="english", ngram_range=(1, 2)), "stop_words and an ngram_range"),
        (CountVectorizer(vocabulary=["good", "bad"], ngram_range=(1, 2)), "knows no group of so many words"),
        (HashingVectorizer(n_features=64), "use CountVectorizer or TfidfVectorizer"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value[:20],
)
def test_texts_that_no_runtime_splits_alike_are_refused(words: Any, advice: str) -> None:
    table, liked = reviews()
    model = make_pipeline(words, LogisticRegression()).fit(table["review"], liked)
    with pytest.raises(ConversionError, match=advice):
        convert(model, sample=table)


def test_a_fault_that_nobody_knew_fails_the_proof() -> None:
    """skl2onnx calibrates what a pipeline's probabilities are, where scikit-learn calibrates its decision function."""
    table, benign = tumours()
    inner = make_pipeline(StandardScaler(), LogisticRegression())
    with pytest.raises(ParityError, match=r"answers differ.*worst: real row") as refused:
        convert(CalibratedClassifierCV(inner, cv=2).fit(table, benign), sample=table)
    worst = refused.value.report.worst[0]
    assert worst.native != worst.onnx
    assert set(worst.inputs) == set(table.columns)


def test_a_model_that_answers_nan_is_refused() -> None:
    model = Ridge().fit(ROWS, ROWS[:, 1])
    model.coef_[0] = np.nan
    with pytest.raises(ConversionError, match="NaN for 1200 of 1200 real rows"):
        convert(model, DOUBLES, ROWS)


@pytest.mark.parametrize(
    ("model", "inputs", "sample", "advice"),
    [
        (Ridge().fit(ROWS, ROWS[:, 1]), InputSpec((), ()), ROWS, "no input columns"),
        (
            Ridge().fit(ROWS, ROWS[:, 1]),
            InputSpec(COLUMNS, ("FP64", "FP64", "datetime", "FP64")),
            ROWS,
            "'debt' is datetime",
        ),
        (Ridge().fit(ROWS, ROWS[:, 1]), InputSpec(("a",) * 4, ("FP64",) * 4), ROWS, "several columns 'a'"),
        (
            Ridge().fit(ROWS, ROWS[:, 1]),
            InputSpec(("a", "b", "", "c"), ("FP64",) * 3 + ("INT64",)),
            ROWS,
            "an empty one",
        ),
        (Ridge().fit(ROWS, ROWS[:, 1]), None, None, "give a signature, or a sample"),
        (Ridge().fit(ROWS, ROWS[:, 1]), DOUBLES, ROWS[:, :3], r"\[1200, 3\], the model 4 columns"),
        (Ridge().fit(ROWS, ROWS[:, 1]), DOUBLES, ROWS[:0], "no rows"),
        (Ridge().fit(ROWS[:, :3], ROWS[:, 1]), DOUBLES, ROWS, "cannot answer its own rows"),
        (LGBMRegressor(**_LIGHT).fit(ROWS[:, :3], ROWS[:, 1]), DOUBLES, ROWS, "4 columns, the model was trained on 3"),
        ({"a": "dictionary"}, DOUBLES, ROWS, "dict belongs to none of the libraries"),
    ],
)
def test_a_refusal_says_what_to_change(model: Any, inputs: InputSpec, sample: Any, advice: str) -> None:
    with pytest.raises(ConversionError, match=advice):
        convert(model, inputs, sample)


def test_an_unknown_flavor_is_told_which_are_known() -> None:
    with pytest.raises(ConversionError, match=r"'prophet'.*supported: catboost, keras, lightgbm, onnx"):
        convert(object(), DOUBLES, ROWS, flavor="prophet")


def test_casts_of_the_teams_own_stay() -> None:
    model = make_pipeline(CastTransformer(dtype=np.float32), HistGradientBoostingClassifier(max_iter=2))
    require_proof(convert(model.fit(ROWS, label(ROWS)), DOUBLES, ROWS), 1e-6)
