"""Converts scikit-learn estimators and pipelines with skl2onnx."""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
from skl2onnx.sklapi import CastTransformer
from sklearn.base import BaseEstimator, is_classifier, is_regressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from converters.errors import ConversionError
from converters.graph import Graph, Native, Task
from converters.signature import InputSpec, Rows

_OPSET = {"": 21, "ai.onnx.ml": 3}
_IR_VERSION = 10  # the newest that every supported runtime loads
_HISTOGRAM_BOOSTING = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)
_TENSOR_TYPES = {"FP32": FloatTensorType, "FP64": DoubleTensorType}


def convert(model: Any, inputs: InputSpec) -> Graph:
    """Converts a fitted classifier or regressor that takes one matrix of numbers.

    Raises:
        ConversionError: skl2onnx cannot convert the model, or would convert it wrongly.
    """
    task = _task_of(model)
    _require_fit(model)
    _refuse_wrong_histograms(model, inputs)
    tensor = _TENSOR_TYPES[inputs.datatype]([None, len(inputs.columns)])
    options = {"zipmap": False} if task is Task.CLASSIFICATION else None
    try:
        with warnings.catch_warnings():  # skl2onnx hands booleans to protobuf, which only grumbles so far
            warnings.filterwarnings("ignore", "Field onnx", DeprecationWarning)
            graph = to_onnx(model, initial_types=[("input", tensor)], target_opset=_OPSET, options=options)
    except Exception as error:  # skl2onnx raises anything from KeyError to its own types
        reason = str(error).partition("\n")[0]
        raise ConversionError(f"skl2onnx cannot convert {type(model).__name__}: {reason}") from error
    graph.ir_version = min(graph.ir_version, _IR_VERSION)
    return Graph(graph, _native(model, task), task, _labels(model, task))


def _task_of(model: Any) -> Task:
    if not isinstance(model, BaseEstimator):
        raise ConversionError(f"{type(model).__name__} is not a scikit-learn estimator: log it with its own flavor")
    if is_classifier(model) and hasattr(model, "predict_proba"):
        return Task.CLASSIFICATION
    if is_regressor(model):
        return Task.REGRESSION
    raise ConversionError(
        f"{type(model).__name__} is neither a regressor nor a classifier with predict_proba: only those are served"
    )


def _require_fit(model: Any) -> None:
    try:
        check_is_fitted(model)
    except NotFittedError as error:
        raise ConversionError(f"{type(model).__name__} is not fitted: train it before logging it") from error


def _refuse_wrong_histograms(model: Any, inputs: InputSpec) -> None:
    """Histogram boosting converts faithfully only on numeric splits, and only from single precision."""
    parts = list(_estimators_in(model))
    histograms = [part for part in parts if isinstance(part, _HISTOGRAM_BOOSTING)]
    for part in histograms:
        if part.is_categorical_ is not None:  # written as numeric splits: more than a quarter of the labels flip
            raise ConversionError(
                f"{type(part).__name__} uses categorical_features, which convert wrongly:"
                " encode the categories as numbers in a step before it"
            )
    if histograms and inputs.datatype == "FP64" and not any(isinstance(part, CastTransformer) for part in parts):
        raise ConversionError(
            f"{type(histograms[0]).__name__} is fed doubles, but its ONNX operator compares singles:"
            " train it behind a CastTransformer(dtype=np.float32) from skl2onnx.sklapi"
        )


def _estimators_in(value: Any) -> Iterator[BaseEstimator]:
    """Every estimator inside a pipeline, an ensemble or a column transformer, itself included."""
    if isinstance(value, BaseEstimator):
        yield value
        value = list(vars(value).values())
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _estimators_in(item)


def _labels(model: Any, task: Task) -> tuple[str, ...]:
    """Names of the classes in the order of their probabilities; none where they are their own positions."""
    if task is not Task.CLASSIFICATION or np.array_equal(model.classes_, np.arange(len(model.classes_))):
        return ()
    return tuple(str(name) for name in model.classes_)


def _native(model: Any, task: Task) -> Native:
    answer = model.predict_proba if task is Task.CLASSIFICATION else model.predict

    def score(rows: Rows) -> NDArray[np.float64]:
        with warnings.catch_warnings():  # the graph has no column names either
            warnings.filterwarnings("ignore", "X does not have valid feature names", UserWarning)
            try:
                scores = np.asarray(answer(rows), dtype=np.float64)
            except Exception as error:  # the model is foreign code
                raise ConversionError(f"the model cannot score a matrix of its columns: {error}") from error
        return scores.reshape(len(rows), -1)

    return score
