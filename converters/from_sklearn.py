"""Converts scikit-learn estimators and pipelines with skl2onnx."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import (
    BooleanTensorType,
    DoubleTensorType,
    FloatTensorType,
    Int64TensorType,
    StringTensorType,
)
from sklearn.base import BaseEstimator, is_classifier, is_clusterer, is_outlier_detector, is_regressor
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError
from sklearn.neighbors._base import NeighborsBase
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC
from sklearn.utils.validation import check_is_fitted

from converters.errors import ConversionError
from converters.estimators import last_step, list_estimators, needs_columns, reads_texts, unwrap
from converters.graph import (
    BOUNDED,
    DISTANCES,
    IR_VERSION,
    LABEL,
    OPSET,
    PREDICTION,
    PROBABILITIES,
    SCORE,
    SCORES,
    SINGLES,
    TRANSFORMED,
    UNBOUNDED,
    Graph,
    Native,
    Tolerance,
)
from converters.histograms import append_histograms
from converters.imputation import register_imputer
from converters.isolation import append_forest
from converters.labels import name_classes
from converters.normalizer import register_normalizer
from converters.operators import list_operators
from converters.rewiring import fresh, raise_opset, rename
from converters.session import open_session
from converters.signature import MATRIX, Feeds, InputSpec
from converters.sklearn_boosters import register_boosters
from converters.sklearn_refusals import refuse_known_faults
from converters.sklearn_text import advise_on_texts, text_options
from converters.sklearn_trees import (
    advise_on_trees,
    compares_doubles,
    refuse_wrong_histograms,
    send_missing_values,
    single_precision_trees,
    takes_singles,
)
from converters.tables import ask, to_matrix, widen

_SINGLE_ONLY = frozenset({"SVMClassifier", "SVMRegressor"})  # operators that there are for singles alone
_UNKNOWN = re.compile(r"Unable to find a (?:shape calculator|converter) for type '<class '[\w.]*\.(\w+)'>'")
_EUCLIDEAN = frozenset({"euclidean", "sqeuclidean"})


def convert(model: Any, inputs: InputSpec, rows: Feeds) -> Graph:  # noqa: ARG001 - skl2onnx needs no rows
    """Converts a fitted estimator that answers labels, numbers or distances.

    Raises:
        ConversionError: skl2onnx cannot convert the model, or would convert it wrongly.
    """
    if not isinstance(model, BaseEstimator):
        raise ConversionError(f"{type(model).__name__} is not a scikit-learn estimator: log it with its own flavor")
    outputs = _outputs_of(model)
    _require_fit(model)
    model = unwrap(model)
    refuse_known_faults(model)
    refuse_wrong_histograms(model, inputs)
    native = _native(model, inputs, outputs)
    if isinstance(last_step(model), IsolationForest):
        graph = _append(model, inputs, append_forest)
    elif compares_doubles(model, inputs):
        graph = _append(model, inputs, append_histograms)
    else:
        graph = _translate(model, inputs)
    graph.ir_version = min(graph.ir_version, IR_VERSION)
    classes = getattr(model, "classes_", ())
    columns = {name: name_classes(classes) for name in (PROBABILITIES, SCORES) if name in outputs and len(classes)}
    return Graph(graph, native, outputs, _tolerance(model, graph, outputs), columns, _advice_on(model))


def _advice_on(model: Any) -> str:
    """What to change where answers differ though no fault is known."""
    return advise_on_texts(model) or advise_on_trees(model)


def _tolerance(model: Any, graph: onnx.ModelProto, outputs: tuple[str, ...]) -> Tolerance:
    if PROBABILITIES in outputs or isinstance(last_step(model), IsolationForest):
        return BOUNDED
    return SINGLES if _SINGLE_ONLY & list_operators(graph).keys() else UNBOUNDED


def _outputs_of(model: Any) -> tuple[str, ...]:
    if is_classifier(model):
        return (LABEL, PROBABILITIES if hasattr(model, "predict_proba") else SCORES)
    if is_outlier_detector(model):
        return (LABEL, SCORE)
    if is_clusterer(model) and hasattr(model, "transform") and hasattr(model, "predict"):
        return (LABEL, DISTANCES)
    if hasattr(model, "predict_proba"):  # a mixture of densities
        return (LABEL, PROBABILITIES)
    if is_regressor(model):
        return (PREDICTION,)
    if hasattr(model, "transform"):
        return (TRANSFORMED,)
    raise ConversionError(f"{type(model).__name__} cannot answer rows that it has not seen: there is nothing to serve")


def _require_fit(model: Any) -> None:
    try:
        check_is_fitted(model)
    except NotFittedError as error:
        raise ConversionError(f"{type(model).__name__} is not fitted: train it before logging it") from error


def _native(model: Any, inputs: InputSpec, outputs: tuple[str, ...]) -> Native:
    if reads_texts(model):
        return ask(model, outputs, lambda feeds: widen(feeds, inputs).iloc[:, 0])
    if needs_columns(model, inputs) or hasattr(model, "feature_names_in_"):
        return ask(model, outputs, lambda feeds: widen(feeds, inputs))
    return ask(model, outputs, lambda feeds: to_matrix(feeds, inputs))


def _translate(model: Any, inputs: InputSpec) -> onnx.ModelProto:
    """Lets skl2onnx write the graph; in singles where there are operators for nothing else."""
    register_boosters(model)
    register_imputer()
    register_normalizer()
    translated = single_precision_trees(model)
    options = _options(translated)
    reason = ""
    for floats, whole in ((DoubleTensorType, True), (DoubleTensorType, False), (FloatTensorType, False)):
        types = _initial_types(translated, inputs, floats, whole=whole)
        try:
            graph: onnx.ModelProto = to_onnx(translated, initial_types=types, target_opset=OPSET, options=options)
            open_session(graph.SerializeToString())
        except Exception as error:  # noqa: BLE001 - skl2onnx raises anything from KeyError to its own types
            reason = reason or _reason(error) + _advice(model)
        else:
            _restore_names(graph.graph, [name for name, _ in types])
            send_missing_values(graph.graph, model)
            return graph
    raise ConversionError(f"skl2onnx cannot convert {type(model).__name__}: {reason}")


def _reason(error: Exception) -> str:
    """The first line; skl2onnx says in words of its own that it does not know an estimator."""
    line = str(error).strip().partition("\n")[0]
    unknown = _UNKNOWN.search(line)
    return f"it has no converter for {unknown[1]}: leave it out, or use another in its place" if unknown else line


def _restore_names(graph: onnx.GraphProto, names: list[str]) -> None:
    """skl2onnx gives columns whose names are not to its taste others, in the same order."""
    values = list(graph.input)
    inner = [fresh(graph, f"column_{number}") for number in range(len(values))]
    for value, name in zip(values, inner, strict=True):
        rename(graph, value.name, name)
    for value, old, name in zip(values, inner, names, strict=True):
        rename(graph, old, name)
        value.name = name


def _advice(model: Any) -> str:
    truths = np.asarray(getattr(model, "classes_", ())).dtype == np.bool_
    return "; train it on labels 1 and 0 instead of True and False" if truths else ""


def _append(model: Any, inputs: InputSpec, append: Callable[[onnx.ModelProto, str, Any], None]) -> onnx.ModelProto:
    """Lets skl2onnx write everything before the last step, which `append` writes."""
    if isinstance(model, Pipeline) and len(model.steps) > 1:
        graph = _translate(model[:-1], inputs)
        fed = graph.graph.output[0].name
    else:
        rows = helper.make_tensor_value_info(MATRIX, TensorProto.DOUBLE, [None, _width(inputs)])
        opsets = [helper.make_opsetid(domain, version) for domain, version in OPSET.items()]
        graph, fed = helper.make_model(helper.make_graph([], "trees", [rows], []), opset_imports=opsets), MATRIX
    append(graph, fed, last_step(model))
    raise_opset(graph, "ai.onnx.ml", OPSET["ai.onnx.ml"])
    return graph


def _width(inputs: InputSpec) -> int:
    return inputs.shapes[0][0] if inputs.shapes else len(inputs.columns)


def _initial_types(model: Any, inputs: InputSpec, floats: Any, *, whole: bool) -> list[tuple[str, Any]]:
    """One matrix, or a column each where the model picks columns.

    Args:
        model: What is translated.
        inputs: What is served.
        floats: Type of numbers; trees that see the rows first take singles as they come.
        whole: Whether whole numbers stay so.
    """
    if not needs_columns(model, inputs):
        singles = takes_singles(model) and set(inputs.datatypes) == {"FP32"}
        return [(MATRIX, (FloatTensorType if singles else floats)([None, _width(inputs)]))]
    known = {"BYTES": StringTensorType}
    if whole:
        known |= {"BOOL": BooleanTensorType, "INT32": Int64TensorType, "INT64": Int64TensorType}
    return [
        (name, known.get(datatype, floats)([None, 1]))
        for name, datatype in zip(inputs.columns, inputs.datatypes, strict=True)
    ]


def _options(model: Any) -> dict[int, dict[str, Any]]:
    """Options of skl2onnx by estimator: scores as a matrix, texts split as Python splits them."""
    options: dict[int, dict[str, Any]] = {}
    for part in list_estimators(model):
        if is_classifier(part) and hasattr(part, "predict_proba"):
            options[id(part)] = {"zipmap": False}
        elif is_classifier(part) and not isinstance(part, Pipeline):
            options[id(part)] = {"raw_scores": True} | ({} if isinstance(part, LinearSVC) else {"zipmap": False})
        if isinstance(part, NeighborsBase) and getattr(part, "effective_metric_", None) in _EUCLIDEAN:
            options.setdefault(id(part), {})["optim"] = "cdist"  # a hundred times as fast
        options |= text_options(part)
    return options
