"""Inputs and outputs of a model, as its owner declares them and as its graph has them."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from converters.errors import ConversionError

Rows: TypeAlias = NDArray[np.floating[Any]]

_NUMPY_TYPES: dict[str, np.dtype[np.floating[Any]]] = {"FP32": np.dtype(np.float32), "FP64": np.dtype(np.float64)}


@dataclass(frozen=True, slots=True)
class InputSpec:
    """Columns that a model takes, in the order in which it was trained.

    Attributes:
        columns: Names of the columns.
        datatypes: KServe v2 name of each column's type, such as `FP64`.
    """

    columns: tuple[str, ...]
    datatypes: tuple[str, ...]

    @property
    def datatype(self) -> str:
        """The one floating-point type of all columns: they travel as one tensor.

        Raises:
            ConversionError: The columns are not all FP64 or all FP32.
        """
        if not self.columns:
            raise ConversionError("the model has no input columns: log it with a signature that names them")
        first = self.datatypes[0]
        for column, datatype in zip(self.columns, self.datatypes, strict=True):
            if datatype not in _NUMPY_TYPES or datatype != first:
                raise ConversionError(
                    f"column {column!r} is {datatype}, but the columns must all be FP64 (double) or all FP32 (float):"
                    " cast the columns before training and log the signature again"
                )
        return first

    @property
    def dtype(self) -> np.dtype[np.floating[Any]]:
        """`datatype` as NumPy knows it."""
        return _NUMPY_TYPES[self.datatype]


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One tensor of a graph.

    Attributes:
        name: Name in the graph.
        datatype: KServe v2 name of the element type.
        dims: Dimensions of one row, without the batch dimension.
        columns: Names of the elements of a row, where they have names.
    """

    name: str
    datatype: str
    dims: tuple[int, ...]
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Signature:
    """Tensors of a graph, in the graph's order."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
