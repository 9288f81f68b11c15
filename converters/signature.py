"""Inputs and outputs of a model, as its owner declares them and as its graph has them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from converters.errors import ConversionError

Feeds: TypeAlias = Mapping[str, NDArray[Any]]
"""Arrays by tensor name; the first dimension is the batch, where there is one. Texts are objects."""

MAX_BATCH_SIZE = 1024
MOST_ROWS = 65_536  # that a model may ask for
MATRIX = "input"

NUMPY_TYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "FP16": np.dtype(np.float16),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
    "BYTES": np.dtype(object),
    **{f"INT{bits}": np.dtype(f"int{bits}") for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": np.dtype(f"uint{bits}") for bits in (8, 16, 32, 64)},
}
FLOATS = frozenset({"FP16", "FP32", "FP64"})


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One tensor of a graph.

    Attributes:
        name: Name in the graph.
        datatype: KServe v2 name of the element type.
        dims: Dimensions of one row, without the batch dimension; all of them where the model takes no batches. A
            dimension of any size is -1.
        columns: Names of the elements of a row, where they have names.
    """

    name: str
    datatype: str
    dims: tuple[int, ...]
    columns: tuple[str, ...] = ()

    @property
    def dtype(self) -> np.dtype[Any]:
        """`datatype` as NumPy knows it."""
        return NUMPY_TYPES[self.datatype]


@dataclass(frozen=True, slots=True)
class InputSpec:
    """What a model takes, in the order in which it was trained.

    Attributes:
        columns: Names of the columns of a table; or of tensors, where `shapes` are given.
        datatypes: KServe v2 name of each column's type, such as `FP64`.
        optional: Columns that may be missing.
        shapes: Dimensions of one row of each tensor; none where the model takes a table.
    """

    columns: tuple[str, ...]
    datatypes: tuple[str, ...]
    optional: frozenset[str] = frozenset()
    shapes: tuple[tuple[int, ...], ...] = ()

    @property
    def tensors(self) -> tuple[TensorSpec, ...]:
        """The tensors that carry the columns: one matrix for numbers of one type, else one tensor per column.

        Raises:
            ConversionError: There are no columns, two have the same name, one that travels under its name has none, or
                one holds what no tensor can.
        """
        self._require_sound()
        if self.shapes:
            named = zip(self.columns, self.datatypes, self.shapes, strict=True)
            return tuple(TensorSpec(name, datatype, dims) for name, datatype, dims in named)
        if len(set(self.datatypes)) == 1 and "BYTES" not in self.datatypes:
            return (TensorSpec(MATRIX, self.datatypes[0], (len(self.columns),), self.columns),)
        if "" in self.columns:
            raise ConversionError("a column that travels by its name has an empty one: name it, and train again")
        named_columns = zip(self.columns, self.datatypes, strict=True)
        return tuple(TensorSpec(name, datatype, (1,)) for name, datatype in named_columns)

    @property
    def is_matrix(self) -> bool:
        """Whether the columns travel as one matrix."""
        return not self.shapes and self.tensors[0].columns == self.columns

    def _require_sound(self) -> None:
        if not self.columns:
            raise ConversionError("the model has no input columns: log it with a signature that names them")
        for column, datatype in zip(self.columns, self.datatypes, strict=True):
            if datatype not in NUMPY_TYPES:
                raise ConversionError(
                    f"column {column!r} is {datatype}, which no tensor can hold: turn it into numbers or texts before"
                    " training and log the signature again"
                )
            if self.columns.count(column) > 1:
                raise ConversionError(f"there are several columns {column!r}: give each a name of its own")


def number_columns(count: int, datatype: str) -> InputSpec:
    """Returns what a model takes that was trained on an array: columns have numbers for names, `x0`, `x1` and so on."""
    return InputSpec(tuple(f"x{number}" for number in range(count)), (datatype,) * count)


@dataclass(frozen=True, slots=True)
class Signature:
    """Tensors of a graph, in the graph's order."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def to_dict(self) -> dict[str, Any]:
        """Returns what JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, described: Mapping[str, Any]) -> "Signature":
        """Reads what `to_dict` returned."""
        return cls(_tensors(described["inputs"]), _tensors(described["outputs"]))


def _tensors(described: list[Mapping[str, Any]]) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(each["name"], each["datatype"], tuple(each["dims"]), tuple(each["columns"])) for each in described
    )
