"""Triton's classification extension: the best k elements of an output, as text."""

from array import array
from collections.abc import Iterable, Sequence
from math import isnan, prod

from gateway.tensors import ELEMENT_BYTES, element
from gateway.types import Buffer, TensorSpec

# KServe v2 datatype -> array typecode; Triton has no classes of other datatypes.
TYPECODES = {
    "INT8": "b",
    "UINT8": "B",
    "INT16": "h",
    "UINT16": "H",
    "INT32": "i",
    "UINT32": "I",
    "INT64": "q",
    "UINT64": "Q",
    "FP32": "f",
    "FP64": "d",
}


def classify(data: Buffer, spec: TensorSpec, rows: int, shape: tuple[int, ...], most: int) -> tuple[int, bytes]:
    """Ranks the elements of every row.

    Args:
        data: The output's elements, row-major, little-endian.
        spec: What the signature says of the output; its columns are the labels.
        rows: Number of rows.
        shape: Shape of one row.
        most: How many are wanted of each row.

    Returns:
        How many there are of each row, and `value:index` or `value:index:label` of each as BYTES, the best first.
    """
    size, view = prod(shape), memoryview(data)
    count, row_bytes = min(most, size), size * ELEMENT_BYTES[spec.datatype]
    texts = (
        text
        for row in range(rows)
        for text in describe(read(view[row * row_bytes : (row + 1) * row_bytes], spec.datatype), spec.columns, count)
    )
    return count, b"".join(element(text.encode()) for text in texts)


def read(data: Buffer, datatype: str) -> Sequence[float]:
    """Reads the numbers of one row."""
    values = array(TYPECODES[datatype])
    values.frombytes(data)
    return values


def describe(values: Sequence[float], labels: Sequence[str], count: int) -> Iterable[str]:
    """Writes the greatest `count` values as Triton does; equal ones keep their order, and NaN comes last."""
    order = sorted(range(len(values)), key=lambda index: (isnan(values[index]), -values[index]))[:count]
    for index in order:
        value = values[index]
        told = f"{value:f}" if isinstance(value, float) else str(value)
        label = labels[index] if index < len(labels) else ""
        yield f"{told}:{index}:{label}" if label else f"{told}:{index}"
