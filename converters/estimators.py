"""Looks into scikit-learn models: the estimators inside, and what they want to be fed with."""

from collections.abc import Iterator
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer
from sklearn.pipeline import Pipeline

from converters.signature import InputSpec

VECTORIZERS = (CountVectorizer, HashingVectorizer)  # TF-IDF is a kind of the first


def list_estimators(value: Any) -> Iterator[BaseEstimator]:
    """Every estimator inside a pipeline, an ensemble or a column transformer, itself included."""
    if isinstance(value, BaseEstimator):
        yield value
        value = list(vars(value).values())
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from list_estimators(item)


def first_step(model: Any) -> Any:
    """Returns what sees the rows first."""
    return first_step(model.steps[0][1]) if isinstance(model, Pipeline) else model


def last_step(model: Any) -> Any:
    """Returns what answers."""
    return last_step(model.steps[-1][1]) if isinstance(model, Pipeline) else model


def reads_texts(model: Any) -> bool:
    """Whether the model takes a list of texts rather than a table."""
    return isinstance(first_step(model), VECTORIZERS)


def needs_columns(model: Any, inputs: InputSpec) -> bool:
    """Whether the model tells the columns apart, so that no matrix can carry them."""
    return "BYTES" in inputs.datatypes or isinstance(first_step(model), ColumnTransformer)
