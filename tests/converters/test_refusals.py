"""What is known to convert wrongly is refused before it is tried, with the way out."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from catboost import CatBoostClassifier, CatBoostRegressor
from lightgbm import LGBMClassifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.mixture import BayesianGaussianMixture
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier, RadiusNeighborsRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC
from xgboost import XGBClassifier, XGBRegressor

from converters import ConversionError, ParityError, convert
from tests.converters.samples import DOUBLES, draw_rows, label

ROWS = draw_rows()
LABELS = label(ROWS)
PAIRS = np.column_stack([LABELS, 1 - LABELS])
GAPS = draw_rows(missing=True)
_LIGHT: dict[str, Any] = {"n_estimators": 5, "verbose": -1, "n_jobs": 1}
_EXTREME: dict[str, Any] = {"n_estimators": 5, "n_jobs": 1}
_CAT: dict[str, Any] = {"iterations": 5, "verbose": 0, "allow_writing_files": False, "thread_count": 1}


def decided_late() -> Any:
    model = CatBoostClassifier(**_CAT).fit(ROWS, LABELS)
    model.set_probability_threshold(0.8)
    return model


def imputed(imputer: Any, rows: Any = GAPS) -> Any:
    return make_pipeline(imputer, Ridge()).fit(rows, ROWS[:, 1])


@pytest.mark.parametrize(
    ("train", "advice"),
    [
        (lambda: imputed(SimpleImputer(add_indicator=True)), "add_indicator.*train it without"),
        (lambda: imputed(KNNImputer()), "use a SimpleImputer"),
        (lambda: imputed(SimpleImputer(missing_values=-1), ROWS), "mark gaps with NaN"),
        (lambda: imputed(SimpleImputer(), np.where([0, 0, 0, 1], np.nan, ROWS)), "keep_empty_features=True"),
        (lambda: KNeighborsClassifier(weights="distance").fit(ROWS, LABELS), "train it with 'uniform'"),
        (lambda: RadiusNeighborsRegressor().fit(ROWS, ROWS[:, 1]), "neighbours by number"),
        (lambda: LinearDiscriminantAnalysis().fit(ROWS, LABELS), "use LogisticRegression"),
        (lambda: CalibratedClassifierCV(LogisticRegression(), cv=2, method="isotonic").fit(ROWS, LABELS), "'sigmoid'"),
        (lambda: VotingClassifier([("linear", LogisticRegression())]).fit(ROWS, LABELS), "voting='soft'"),
        (lambda: FixedThresholdClassifier(LogisticRegression()).fit(ROWS, LABELS), "log the classifier inside"),
        (lambda: BayesianGaussianMixture(n_components=2).fit(ROWS), "use a GaussianMixture"),
        (lambda: OneVsOneClassifier(LogisticRegression()).fit(ROWS, LABELS), "OneVsRestClassifier of it"),
        (lambda: OneVsRestClassifier(LinearSVC()).fit(ROWS, LABELS), "train the estimator inside"),
        (lambda: TransformedTargetRegressor(Ridge()).fit(ROWS, ROWS[:, 1]), "transformed target"),
        (lambda: RandomForestClassifier(5).fit(ROWS, PAIRS), "a model for each label"),
        (lambda: MLPClassifier((2,), max_iter=500).fit(ROWS / 1e4, PAIRS), "a model for each label"),
        (
            lambda: make_pipeline(StandardScaler(), DummyRegressor()).fit(ROWS, LABELS),
            "no converter for DummyRegressor",
        ),
        (
            lambda: make_pipeline(StandardScaler(), LGBMClassifier(linear_tree=True, **_LIGHT)).fit(ROWS, LABELS),
            "linear_tree",
        ),
        (
            lambda: make_pipeline(StandardScaler(), XGBClassifier(booster="dart", **_EXTREME)).fit(ROWS, LABELS),
            "booster='dart'",
        ),
        (
            lambda: make_pipeline(StandardScaler(), CatBoostClassifier(**_CAT)).fit(ROWS, LABELS),
            "log it with its own flavor",
        ),
        (lambda: XGBClassifier(missing=-1, **_EXTREME).fit(ROWS, LABELS), "missing=-1.*NaN"),
        (lambda: XGBRegressor(**_EXTREME).fit(ROWS, PAIRS), "several targets.*a model for each"),
        (lambda: XGBRegressor(objective="reg:logistic", **_EXTREME).fit(ROWS, LABELS), "binary:logistic"),
        (lambda: CatBoostRegressor(loss_function="MultiRMSE", **_CAT).fit(ROWS, PAIRS), "MultiRMSE.*a model for each"),
        (lambda: CatBoostClassifier(loss_function="MultiClassOneVsAll", **_CAT).fit(ROWS, LABELS), "as if.*MultiClass"),
        (lambda: CatBoostRegressor(grow_policy="Lossguide", **_CAT).fit(ROWS, LABELS), "'SymmetricTree'"),
        (decided_late, "decide by the probabilities"),
    ],
)
@pytest.mark.filterwarnings("ignore")  # these models are trained for a moment, and some of them badly
def test_a_known_fault_is_refused_beforehand(train: Callable[[], Any], advice: str) -> None:
    with pytest.raises(ConversionError, match=advice) as refused:
        convert(train(), DOUBLES, GAPS if "imputer" in str(train.__code__.co_names) else ROWS)
    assert not isinstance(refused.value, ParityError)


@pytest.mark.parametrize(
    ("step", "advice"),
    [
        (OneHotEncoder(handle_unknown="ignore"), "OneHotEncoder knows a missing text.*fillna"),
        (
            make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")),
            "missing_values=''",
        ),
    ],
    ids=["category", "filled"],
)
def test_texts_that_may_be_missing_are_refused(step: Any, advice: str) -> None:
    """A request has no way to leave a text out: '' would be taken for a category that nobody knows."""
    texts = np.where(np.arange(len(ROWS)) % 10 == 0, np.nan, np.where(LABELS == 1, "good", "bad").astype(object))
    table = pd.DataFrame({"word": texts, "amount": ROWS[:, 0]})
    model = make_pipeline(make_column_transformer((step, ["word"])), LogisticRegression()).fit(table, LABELS)
    with pytest.raises(ConversionError, match=advice):
        convert(model, sample=table)


def test_rare_categories_in_one_are_refused() -> None:
    table = pd.DataFrame({"word": np.where(np.arange(len(ROWS)) < 3, "rare", np.where(LABELS == 1, "good", "bad"))})
    words = make_column_transformer((OneHotEncoder(handle_unknown="ignore", min_frequency=5), ["word"]))
    with pytest.raises(ConversionError, match="groups rare categories"):
        convert(make_pipeline(words, LogisticRegression()).fit(table, LABELS), sample=table)
