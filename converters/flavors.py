"""Which converter takes a model, by its MLflow flavor."""

from importlib import import_module
from typing import Any

from converters.errors import ConversionError
from converters.graph import CONTRIBUTIONS, Converter, Explainer

# Imported when first used: each flavor has an installation of its own.
FLAVORS = {
    "catboost": "converters.from_catboost",
    "keras": "converters.from_tensorflow",
    "lightgbm": "converters.from_lightgbm",
    "onnx": "converters.from_onnx",
    "pytorch": "converters.from_pytorch",
    "sklearn": "converters.from_sklearn",
    "tensorflow": "converters.from_tensorflow",
    "xgboost": "converters.from_xgboost",
}
EXPLAINERS = {"lightgbm": "converters.lightgbm_contributions"}
_EXTRAS = {
    "keras": "tensorflow",
    "tensorflow": "tensorflow",
    "pytorch": "torch",
    "sklearn": "convert",
    "onnx": "convert",
}
_LIBRARIES = {"torch": "pytorch"}  # where they bear other names than their flavors


def find_converter(flavor: str) -> Converter:
    """Returns the converter of a flavor.

    Raises:
        ConversionError: There is none, or its libraries are not installed.
    """
    require_flavor(flavor)
    try:
        converter: Converter = import_module(FLAVORS[flavor]).convert
    except ImportError as error:
        extra = _EXTRAS.get(flavor, "boosting")
        raise ConversionError(f"flavor {flavor!r} needs {error.name}: pip install 'gapura[{extra}]'") from error
    return converter


def find_explainer(flavor: str) -> Explainer:
    """Returns what adds contributions to the graphs of a flavor, whose converter is there.

    Raises:
        ConversionError: Nothing does.
    """
    if flavor not in EXPLAINERS:
        raise ConversionError(
            f"{CONTRIBUTIONS} are computed for models of flavor {', '.join(sorted(EXPLAINERS))}, and this one has"
            f" {flavor!r}: log it with one of these, or leave {CONTRIBUTIONS} out of its metadata"
        )
    explainer: Explainer = import_module(EXPLAINERS[flavor]).add_contributions
    return explainer


def require_flavor(flavor: str) -> None:
    """Refuses a flavor that has no converter, before anything is loaded for it.

    Raises:
        ConversionError: There is none; the message lists those that there are.
    """
    if flavor not in FLAVORS:
        raise ConversionError(f"flavor {flavor!r} cannot be served yet; supported: {', '.join(sorted(FLAVORS))}")


def flavor_of(model: Any) -> str:
    """Returns the flavor of a trained object, by the library that its class or a base of it comes from.

    Raises:
        ConversionError: No flavor has such objects.
    """
    for kind in type(model).__mro__:
        library = kind.__module__.partition(".")[0]
        flavor = _LIBRARIES.get(library, library)
        if flavor in FLAVORS:
            return flavor
    name = type(model).__name__
    raise ConversionError(f"{name} belongs to none of the libraries that can be served: {', '.join(sorted(FLAVORS))}")
