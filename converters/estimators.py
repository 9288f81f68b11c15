"""Looks into scikit-learn models: the estimators inside, and what they want to be fed with."""

import copy
from collections.abc import Iterator
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.calibration import _CalibratedClassifier
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline

from converters.signature import InputSpec

VECTORIZERS = (CountVectorizer, HashingVectorizer)  # TF-IDF is a kind of the first


def list_estimators(value: Any) -> Iterator[BaseEstimator]:
    """Every estimator inside a pipeline, an ensemble or a column transformer, itself included."""
    if isinstance(value, BaseEstimator):
        yield value
    if isinstance(value, BaseEstimator | _CalibratedClassifier):
        value = list(vars(value).values())
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from list_estimators(item)


def unwrap(model: Any) -> Any:
    """Returns a model that answers the same without the searches that found its parts."""
    if isinstance(model, BaseSearchCV):
        return unwrap(model.best_estimator_)
    if not isinstance(model, Pipeline):
        return model
    changed = copy.copy(model)
    changed.steps = [(name, unwrap(step)) for name, step in model.steps]
    return changed


def first_step(model: Any) -> Any:
    """Returns what sees the rows first."""
    return first_step(model.steps[0][1]) if isinstance(model, Pipeline) else model


def last_step(model: Any) -> Any:
    """Returns what answers."""
    return last_step(model.steps[-1][1]) if isinstance(model, Pipeline) else model


def reads_texts(model: Any) -> bool:
    """Whether the model takes a list of texts rather than a table."""
    first = first_step(model)
    if isinstance(first, FeatureUnion):
        return all(reads_texts(part) for _, part in first.transformer_list)
    return isinstance(first, VECTORIZERS)


def needs_columns(model: Any, inputs: InputSpec) -> bool:
    """Whether the model tells the columns apart, so that no matrix can carry them."""
    return "BYTES" in inputs.datatypes or isinstance(first_step(model), ColumnTransformer)
