"""LightGBM, XGBoost and CatBoost: boosters of every kind answer in ONNX as they do in their own library."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from catboost import CatBoostClassifier, CatBoostRanker, CatBoostRegressor
from lightgbm import Dataset, LGBMClassifier, LGBMRanker, LGBMRegressor
from lightgbm import train as train_lightgbm
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from xgboost import DMatrix, XGBClassifier, XGBRanker, XGBRegressor, XGBRFClassifier
from xgboost import train as train_xgboost

from converters import convert
from tests.converters.samples import customers, outputs_of, patients, require_proof, tumours, wines

_LIGHT: dict[str, Any] = {"n_estimators": 20, "verbose": -1, "n_jobs": 1}
_EXTREME: dict[str, Any] = {"n_estimators": 20, "n_jobs": 1}
_CAT: dict[str, Any] = {"iterations": 20, "verbose": 0, "allow_writing_files": False, "thread_count": 1}
RELEVANCE = np.random.default_rng(0).integers(0, 4, 440)


@pytest.mark.parametrize(
    "model",
    [
        LGBMClassifier(**_LIGHT),
        LGBMClassifier(boosting_type="dart", **_LIGHT),
        LGBMClassifier(is_unbalance=True, **_LIGHT),
        XGBClassifier(**_EXTREME),
        XGBRFClassifier(**_EXTREME),
        CatBoostClassifier(**_CAT),
    ],
    ids=["lightgbm", "lightgbm dart", "lightgbm unbalanced", "xgboost", "xgboost forest", "catboost"],
)
def test_classifiers_of_two_classes_agree(model: Any) -> None:
    table, benign = tumours()
    conversion = convert(model.fit(table, benign), sample=table)
    require_proof(conversion, 1e-6)
    assert outputs_of(conversion) == [("label", "INT64", (1,)), ("probabilities", "FP32", (2,))]


@pytest.mark.parametrize(
    "model",
    [LGBMClassifier(**_LIGHT), CatBoostClassifier(**_CAT)],
    ids=["lightgbm", "catboost"],
)
def test_texts_as_classes_and_missing_values_agree(model: Any) -> None:
    table, growers = wines()
    conversion = convert(model.fit(table, growers), sample=table)
    require_proof(conversion, 1e-6)
    assert conversion.report.kinds["missing"] == 1
    assert conversion.signature.outputs[0].datatype == "BYTES"
    assert conversion.signature.outputs[1].columns == ("barbera", "barolo", "grignolino")


def test_xgboost_takes_missing_values_and_several_classes() -> None:
    table, growers = wines()
    conversion = convert(XGBClassifier(**_EXTREME).fit(table, np.unique(growers, return_inverse=True)[1]), sample=table)
    require_proof(conversion, 1e-6)
    assert outputs_of(conversion)[1] == ("probabilities", "FP32", (3,))


@pytest.mark.parametrize("model", [LGBMClassifier(**_LIGHT), XGBClassifier(**_EXTREME)], ids=["lightgbm", "xgboost"])
def test_truth_values_as_classes_become_numbers(model: Any) -> None:
    table, benign = tumours()
    conversion = convert(model.fit(table, benign == 1), sample=table)
    require_proof(conversion, 1e-6)
    assert outputs_of(conversion)[0] == ("label", "INT64", (1,))


@pytest.mark.parametrize(
    ("model", "largest"),
    [
        (LGBMRegressor(**_LIGHT), 1e-4),
        (LGBMRegressor(objective="poisson", **_LIGHT), 1e-4),
        (LGBMRegressor(objective="quantile", alpha=0.9, **_LIGHT), 1e-4),
        (XGBRegressor(**_EXTREME), 1e-4),
        (XGBRegressor(objective="count:poisson", **_EXTREME), 1e-4),
        (XGBRegressor(objective="reg:tweedie", **_EXTREME), 1e-4),
        (CatBoostRegressor(**_CAT), 1e-4),
        (CatBoostRegressor(loss_function="Poisson", **_CAT), 1e-4),
        (CatBoostRegressor(loss_function="Quantile:alpha=0.9", **_CAT), 1e-4),
    ],
    ids=lambda value: type(value).__name__,
)
def test_regressors_agree_relative_to_their_answer(model: Any, largest: float) -> None:
    table, progress = patients()
    conversion = convert(model.fit(table, progress), sample=table)
    require_proof(conversion, largest)
    assert outputs_of(conversion) == [("prediction", "FP32", (1,))]


def test_a_booster_that_stopped_early_answers_with_the_best_trees_alone() -> None:
    table, benign = tumours()
    model = XGBClassifier(n_estimators=300, early_stopping_rounds=3, n_jobs=1)
    model.fit(table[:400], benign[:400], eval_set=[(table[400:], benign[400:])], verbose=False)
    assert model.best_iteration < 100
    require_proof(convert(model, sample=table), 1e-6)
    require_proof(convert(model.get_booster(), sample=table), 1e-6)  # which answers with all


@pytest.mark.parametrize("kind", ["lightgbm", "xgboost", "bare xgboost", "catboost"])
def test_rankers_answer_their_scores(kind: str) -> None:
    table, groups = patients()[0][:440], np.repeat(np.arange(44), 10)
    model: Any
    if kind == "lightgbm":
        model = LGBMRanker(**_LIGHT).fit(table, RELEVANCE, group=[10] * 44)
    elif kind == "catboost":
        model = CatBoostRanker(**_CAT).fit(table, RELEVANCE, group_id=groups)
    else:
        model = XGBRanker(**_EXTREME).fit(table, RELEVANCE, qid=groups)
    conversion = convert(model.get_booster() if kind.startswith("bare") else model, sample=table)
    require_proof(conversion, 1e-4)
    assert outputs_of(conversion) == [("prediction", "FP32", (1,))]


@pytest.mark.parametrize("objective", ["binary", "multiclass", "regression"])
def test_bare_boosters_of_lightgbm_agree(objective: str) -> None:
    table, benign = tumours()
    classes = {"num_class": 3} if objective == "multiclass" else {}
    answers = np.digitize(table["mean radius"], [12, 16]) if classes else benign
    settings = {"objective": objective, "verbose": -1, "num_threads": 1, **classes}
    model = train_lightgbm(settings, Dataset(table, answers), 10)
    require_proof(convert(model, sample=table), 1e-5)


@pytest.mark.parametrize("objective", ["binary:logistic", "multi:softprob", "reg:squarederror"])
def test_bare_boosters_of_xgboost_agree(objective: str) -> None:
    table, benign = tumours()
    classes = {"num_class": 3} if objective == "multi:softprob" else {}
    answers = np.digitize(table["mean radius"], [12, 16]) if classes else benign
    model = train_xgboost({"objective": objective, "nthread": 1, **classes}, DMatrix(table, answers), 10)
    require_proof(convert(model, sample=table), 1e-5)


@pytest.mark.parametrize(
    ("model", "largest"),
    [(LGBMClassifier(**_LIGHT), 1e-6), (XGBClassifier(**_EXTREME), 1e-6), (XGBRegressor(**_EXTREME), 1e-4)],
    ids=["lightgbm", "xgboost", "xgboost regressor"],
)
def test_boosters_in_a_pipeline_agree(model: Any, largest: float) -> None:
    table, left = customers()
    columns = make_column_transformer(
        (StandardScaler(), ["monthly_amount", "usage"]), (OneHotEncoder(handle_unknown="ignore"), ["contract"])
    )
    pipeline = make_pipeline(columns, model).fit(table, left)
    require_proof(convert(pipeline, sample=table[["monthly_amount", "usage", "contract"]]), largest)


@pytest.mark.parametrize(
    ("model", "largest"),
    [(LGBMClassifier(**_LIGHT), 1e-6), (XGBClassifier(**_EXTREME), 1e-6)],
    ids=["lightgbm", "xgboost"],
)
def test_boosters_inside_other_models_agree(model: Any, largest: float) -> None:
    """LightGBM has decision values since 4.7, and scikit-learn calibrates those."""
    table, benign = tumours()
    table = (table - table.mean()) / table.std()
    for wrapped in (
        CalibratedClassifierCV(model, cv=2),
        StackingClassifier([("booster", model)], LogisticRegression(), cv=2),
        make_pipeline(StandardScaler(), model),
    ):
        require_proof(convert(wrapped.fit(table, benign), sample=table), largest)


def test_lightgbm_compares_doubles() -> None:
    """Seconds of today's clock are too large for singles."""
    table, _ = tumours()
    seconds = pd.DataFrame({"at": 1.7e9 + np.arange(len(table)) * 7.0, "radius": table["mean radius"]})
    model = LGBMClassifier(**_LIGHT).fit(seconds, seconds["at"] % 5000 > 2500)
    require_proof(convert(model, sample=seconds), 1e-6)


@pytest.mark.parametrize(
    "settings",
    [
        {"objective": "multiclassova", "num_class": 3},
        {"objective": "binary", "sigmoid": 2.0},
        {"objective": "cross_entropy"},
        {"objective": "cross_entropy_lambda"},
        {"objective": "mape"},
        {"objective": "regression", "reg_sqrt": True},
    ],
    ids=lambda settings: str(settings["objective"]),
)
def test_lightgbm_links_trees_as_its_objective_says(settings: dict[str, Any]) -> None:
    table, benign = tumours()
    several = "num_class" in settings
    answers = np.digitize(table["mean radius"], [12, 16]) if several else benign
    model = train_lightgbm({"verbose": -1, "num_threads": 1, **settings}, Dataset(table, answers), 10)
    require_proof(convert(model, sample=table), 1e-5)


def test_lightgbm_takes_a_missing_value_for_0_where_none_was_missing() -> None:
    table, benign = tumours()
    model = LGBMClassifier(**_LIGHT).fit(table - table.mean(), benign)
    asked = (table - table.mean()).mask(np.random.default_rng(0).random(table.shape) < 0.1)
    require_proof(convert(model, sample=asked), 1e-6)


def test_lightgbm_tells_infinity_from_a_missing_value() -> None:
    """The dump of a split that parts missing values from all others says 1e300."""
    measures = np.random.default_rng(0).normal(size=(1000, 1))
    measures[:300] = np.nan
    model = LGBMRegressor(**_LIGHT).fit(measures, np.isnan(measures[:, 0]) * 1.0)
    asked = np.where(np.arange(1000)[:, None] % 2 == 0, np.inf, measures)
    require_proof(convert(model, sample=asked), 1e-6)
