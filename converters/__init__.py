"""Converts trained models to ONNX and proves that the graph answers as the model does."""

from converters.conversion import Conversion, convert, require_flavor
from converters.errors import ConversionError
from converters.parity import ParityError, ParityReport
from converters.signature import InputSpec, Signature, TensorSpec

__all__ = [
    "Conversion",
    "ConversionError",
    "InputSpec",
    "ParityError",
    "ParityReport",
    "Signature",
    "TensorSpec",
    "convert",
    "require_flavor",
]
