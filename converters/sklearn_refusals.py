"""What skl2onnx cannot write, or writes wrongly, known beforehand: each with the reason and the way out."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import VotingClassifier
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.mixture import BayesianGaussianMixture
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.neighbors import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
)
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, TargetEncoder

from converters.errors import ConversionError
from converters.estimators import last_step, list_estimators

_NO_TEXT = "a request cannot leave a text out"
_TO_RARE = ("infrequent_if_exist", "warn")


def refuse_known_faults(model: Any) -> None:
    """Refuses a model with a part that is known to convert wrongly, or not at all.

    Raises:
        ConversionError: There is one; the message says what to train instead.
    """
    if _answers_several_labels(last_step(model)):
        raise ConversionError(
            f"{type(last_step(model)).__name__} answers several labels a row, which have no one matrix of"
            " probabilities: train and log a model for each label"
        )
    for part in list_estimators(model):
        for kinds, faulty, advice in _FAULTS:
            if isinstance(part, kinds) and faulty(part):
                raise ConversionError(f"{type(part).__name__} {advice}")


def _answers_several_labels(model: Any) -> bool:
    binarizer = getattr(model, "_label_binarizer", None)
    multilabel = getattr(binarizer, "y_type_", "").startswith("multilabel") or getattr(model, "multilabel_", False)
    return multilabel or isinstance(getattr(model, "classes_", None), list)


def _always(part: BaseEstimator) -> bool:  # noqa: ARG001 - one of the conditions
    return True


def _knows_missing_texts(encoder: Any) -> bool:
    known = getattr(encoder, "categories_", ())
    return any(categories.dtype == object and pd.isna(categories).any() for categories in known)


def _groups_rare_categories(encoder: Any) -> bool:
    groups = getattr(encoder, "infrequent_categories_", None) or ()
    return encoder.handle_unknown in _TO_RARE or any(group is not None for group in groups)


def _fills_missing_texts(imputer: Any) -> bool:
    texts = any(isinstance(value, str) for value in getattr(imputer, "statistics_", ()))
    return texts and not isinstance(imputer.missing_values, str)


def _fills_numbers(imputer: Any) -> bool:
    return not isinstance(imputer.missing_values, str) and not pd.isna(imputer.missing_values)


def _drops_columns(imputer: Any) -> bool:
    statistics = getattr(imputer, "statistics_", np.zeros(0))
    return statistics.dtype.kind == "f" and bool(np.isnan(statistics).any())


def _has_two_classes(model: Any) -> bool:
    return len(getattr(model, "classes_", ())) == 2  # noqa: PLR2004 - the number in its name


_FAULTS: tuple[tuple[Any, Callable[[Any], bool], str], ...] = (
    (
        (OneHotEncoder, OrdinalEncoder, TargetEncoder),
        _knows_missing_texts,
        f"knows a missing text as a category, and {_NO_TEXT}: fill it before training, as by fillna('missing')",
    ),
    (
        OneHotEncoder,
        _groups_rare_categories,
        "groups rare categories, which converts wrongly: group them before training, and use handle_unknown='ignore'",
    ),
    (
        SimpleImputer,
        _fills_missing_texts,
        f"fills missing texts, and {_NO_TEXT}: train it with missing_values='' on texts where '' stands for them",
    ),
    (SimpleImputer, _fills_numbers, "has missing_values other than NaN, which cannot be converted: mark gaps with NaN"),
    (
        SimpleImputer,
        _drops_columns,
        "drops a column that had no value in training: drop it before, or train with keep_empty_features=True",
    ),
    (SimpleImputer, lambda part: part.add_indicator, "has add_indicator, which converts wrongly: train it without"),
    (KNNImputer, _always, "converts wrongly: use a SimpleImputer"),
    (
        (KNeighborsClassifier, KNeighborsRegressor),
        lambda part: part.weights != "uniform",
        "has weights other than 'uniform', which convert wrongly: train it with 'uniform'",
    ),
    (
        (RadiusNeighborsClassifier, RadiusNeighborsRegressor),
        _always,
        "fails in ONNX on rows with few neighbours: use neighbours by number, as KNeighborsClassifier does",
    ),
    (
        LinearDiscriminantAnalysis,
        _has_two_classes,
        "of two classes converts wrongly (the logistic function of twice the score): use LogisticRegression",
    ),
    (
        CalibratedClassifierCV,
        lambda part: part.method != "sigmoid",
        "has a method other than 'sigmoid', which converts wrongly: train it with method='sigmoid'",
    ),
    (
        VotingClassifier,
        lambda part: part.voting == "hard",
        "has voting='hard', which answers labels alone: train it with voting='soft'",
    ),
    (
        (FixedThresholdClassifier, TunedThresholdClassifierCV),
        _always,
        "labels by a threshold of its own: log the classifier inside, and decide by its probabilities",
    ),
    (BayesianGaussianMixture, _always, "converts wrongly: use a GaussianMixture"),
    (
        (OneVsOneClassifier, OutputCodeClassifier),
        _always,
        "has no scores that convert: train the estimator inside on all classes, or a OneVsRestClassifier of it",
    ),
    (
        OneVsRestClassifier,
        lambda part: not hasattr(part, "predict_proba"),
        "of estimators without probabilities cannot be converted: train the estimator inside on all classes",
    ),
    (
        TransformedTargetRegressor,
        _always,
        "cannot be converted: train the regressor inside on the transformed target, and transform its answers back",
    ),
)
