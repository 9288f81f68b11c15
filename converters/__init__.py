"""Converts trained models to ONNX and proves that the graph answers as the model does."""

from converters.conversion import Conversion, convert
from converters.errors import ConversionError
from converters.golden import Golden
from converters.mlmodel import Loaded, load
from converters.report import ParityError, ParityReport
from converters.signature import MAX_BATCH_SIZE, InputSpec, Signature, TensorSpec

__all__ = [
    "MAX_BATCH_SIZE",
    "Conversion",
    "ConversionError",
    "Golden",
    "InputSpec",
    "Loaded",
    "ParityError",
    "ParityReport",
    "Signature",
    "TensorSpec",
    "convert",
    "load",
]
