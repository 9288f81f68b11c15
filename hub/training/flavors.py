"""Logs a trained model with the MLflow flavor of its library, so that it can be loaded and served elsewhere."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module, metadata
from io import StringIO
from typing import Any

import cloudpickle  # type: ignore[import-untyped] # publishes no types
import numpy as np
from mlflow.models import ModelSignature, set_signature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec

import hub.training
from converters import ConversionError
from converters.flavors import flavor_of
from hub.errors import HubError
from hub.training.native import NUMBER, SINGLE, TEXT, describe_columns, native_answers
from hub.training.trained import TrainedModel

_EXAMPLE_ROWS = 5
_ANSWERED_ROWS = 64  # of which the signature's outputs are read
_TYPES = {TEXT: DataType.string, NUMBER: DataType.double, SINGLE: DataType.float}
_NETWORKS = frozenset({"pytorch", "tensorflow"})
_CLOUDPICKLE = {"serialization_format": "cloudpickle"}


@dataclass(frozen=True, slots=True)
class _Flavor:
    """How models of a library are logged.

    Attributes:
        libraries: What has to be installed to load one, by the names of their modules.
        options: What `log_model` is told besides.
    """

    libraries: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


_FLAVORS = {
    "catboost": _Flavor(("catboost", "numpy", "pandas")),
    "lightgbm": _Flavor(("cloudpickle", "lightgbm", "numpy", "pandas", "sklearn"), _CLOUDPICKLE),
    "pytorch": _Flavor(("numpy", "pandas", "torch"), {"serialization_format": "pickle"}),
    "sklearn": _Flavor(("cloudpickle", "numpy", "onnx", "pandas", "sklearn", "skl2onnx"), _CLOUDPICKLE),
    "tensorflow": _Flavor(("keras", "numpy", "pandas", "tensorflow")),
    "xgboost": _Flavor(("numpy", "pandas", "sklearn", "xgboost")),
}
_LOGGED_AS = {"keras": "tensorflow"}  # MLflow's own flavor for Keras cannot keep an example


def log_model(model: TrainedModel) -> str:
    """Logs the estimator into the active run; returns the address of its artifacts.

    Raises:
        HubError: It is of no library whose models can be served.
    """
    name = _choose(model.estimator)
    flavor, signature = _FLAVORS[name], _signature(model, name)
    with redirect_stdout(StringIO()), _own_code_inside():  # Keras draws bars while MLflow tries the example
        logged = import_module(f"mlflow.{name}").log_model(
            model.estimator,
            name="model",
            signature=_unnamed(signature) if name == "tensorflow" else signature,
            input_example=model.parity_sample.head(_EXAMPLE_ROWS),
            pip_requirements=[_requirement(library) for library in flavor.libraries],
            metadata=dict(model.metadata) or None,
            **flavor.options,
            **({"pyfunc_predict_fn": _method(model.estimator)} if name == "sklearn" else {}),
        )
    if name == "tensorflow":
        set_signature(logged.model_uri, signature)
    return str(logged.model_uri)


@contextmanager
def _own_code_inside() -> Iterator[None]:
    """Pickles classes of training files with the model: a later release may have others, or none."""
    cloudpickle.register_pickle_by_value(hub.training)
    try:
        yield
    finally:
        cloudpickle.unregister_pickle_by_value(hub.training)


def _choose(estimator: Any) -> str:
    try:
        found = flavor_of(estimator)
    except ConversionError as error:
        raise HubError(str(error)) from error
    return _LOGGED_AS.get(found, found)


def _method(estimator: Any) -> str:
    return "predict_proba" if hasattr(estimator, "predict_proba") else "predict"


def _unnamed(signature: ModelSignature) -> ModelSignature:
    """MLflow logs a network with tensors alone; the names of their columns are added afterwards."""
    return ModelSignature(inputs=Schema([TensorSpec(np.dtype(np.float64), (-1, len(signature.inputs.inputs)))]))


def _signature(model: TrainedModel, flavor: str) -> ModelSignature:
    """Numbers are doubles but where all are of single precision; a model casts them to what it computes with."""
    spec = describe_columns(model.features, model.optional)
    columns: list[ColSpec | TensorSpec] = [
        ColSpec(_TYPES[datatype], name, required=name not in model.optional)
        for name, datatype in zip(spec.columns, spec.datatypes, strict=True)
    ]
    return ModelSignature(inputs=Schema(columns), outputs=None if flavor in _NETWORKS else _outputs(model))


def _outputs(model: TrainedModel) -> Schema | None:
    """Reads the outputs off answers; those of networks have their names from a graph, which takes seconds to make."""
    try:
        answers = native_answers(model.estimator, model.parity_sample.head(_ANSWERED_ROWS), model.metadata)
    except ConversionError:  # publishing refuses it, and says why
        return None
    return Schema([TensorSpec(answer.dtype, (-1, *answer.shape[1:]), name) for name, answer in answers.items()])


def _requirement(library: str) -> str:
    """Several packages may bring a library, such as one without support of GPUs; the one that is installed counts."""
    package = _packages()[library][0]
    return f"{package}=={metadata.version(package)}"


@cache
def _packages() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()
