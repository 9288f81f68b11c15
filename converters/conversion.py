"""The one way from a trained model to a proven graph: convert, normalise, compare."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from converters.errors import ConversionError
from converters.graph import Converter
from converters.normalisation import normalise
from converters.parity import ParityError, ParityReport, compare
from converters.signature import InputSpec, Rows, Signature

# Imported when first used: each flavor has an installation of its own.
FLAVORS = {"sklearn": "converters.from_sklearn"}


@dataclass(frozen=True, slots=True)
class Conversion:
    """A graph that answers as its model does.

    Attributes:
        onnx_bytes: The serialised graph.
        signature: Its inputs and outputs.
        report: The proof.
    """

    onnx_bytes: bytes
    signature: Signature
    report: ParityReport


def convert(model: Any, flavor: str, inputs: InputSpec, sample: ArrayLike) -> Conversion:
    """Converts a model to ONNX and proves the result.

    Args:
        model: The trained model.
        flavor: Library it was trained with, by its MLflow name.
        inputs: Columns that it takes.
        sample: Real rows to prove it on, `[rows, columns]` in the order of `inputs`; 1,000 or more prove well.

    Raises:
        ParityError: The graph answers otherwise than the model.
        ConversionError: The model cannot be converted; the message says what to change.
    """
    graph = _converter(flavor)(model, inputs)
    normalised, signature = normalise(graph, inputs)
    content = normalised.SerializeToString(deterministic=True)
    rows: Rows = np.asarray(sample, dtype=inputs.dtype)
    if rows.ndim != 2 or rows.shape[1] != len(inputs.columns):  # noqa: PLR2004 - a matrix has two dimensions
        raise ConversionError(f"the sample has shape {list(rows.shape)}, the model {len(inputs.columns)} columns")
    report = compare(graph, content, rows)
    if not report.passed:
        raise ParityError(report)
    return Conversion(content, signature, report)


def require_flavor(flavor: str) -> None:
    """Refuses a flavor that has no converter, before anything is loaded for it.

    Raises:
        ConversionError: There is none; the message lists those that there are.
    """
    if flavor not in FLAVORS:
        raise ConversionError(f"flavor {flavor!r} cannot be served yet; supported: {', '.join(sorted(FLAVORS))}")


def _converter(flavor: str) -> Converter:
    require_flavor(flavor)
    try:
        converter: Converter = import_module(FLAVORS[flavor]).convert
    except ImportError as error:
        raise ConversionError(f"flavor {flavor!r} needs {error.name}: pip install 'gapura[convert]'") from error
    return converter
