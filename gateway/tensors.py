"""Joins and cuts row-major tensors as bytes."""

from collections.abc import Sequence
from contextlib import suppress
from itertools import accumulate, pairwise
from math import prod
from struct import Struct
from struct import error as StructError  # noqa: N812 - it is a class

from gateway.types import Buffer, ModelVersion, Tensors, TensorSpec, Terms

BYTES = "BYTES"
LENGTH_BYTES = 4
read_length = Struct("<I").unpack_from

# KServe v2 datatype -> bytes of one element.
ELEMENT_BYTES = {
    "BOOL": 1,
    "INT8": 1,
    "UINT8": 1,
    "INT16": 2,
    "UINT16": 2,
    "FP16": 2,
    "INT32": 4,
    "UINT32": 4,
    "FP32": 4,
    "INT64": 8,
    "UINT64": 8,
    "FP64": 8,
}

# KServe v2 datatype -> little-endian numpy type.
NUMPY_TYPES = {
    "BOOL": "?",
    "INT8": "i1",
    "UINT8": "u1",
    "INT16": "<i2",
    "UINT16": "<u2",
    "FP16": "<f2",
    "INT32": "<i4",
    "UINT32": "<u4",
    "FP32": "<f4",
    "INT64": "<i8",
    "UINT64": "<u8",
    "FP64": "<f8",
}


def fits(shape: tuple[int, ...], dims: tuple[int, ...]) -> bool:
    """Says whether a shape is one that dims describe, where -1 stands for any size."""
    return len(shape) == len(dims) and all(
        (size >= 0 if wanted == -1 else size == wanted) for size, wanted in zip(shape, dims, strict=True)
    )


def leading(version: ModelVersion, rows: int) -> tuple[int, ...]:
    """Returns the batch dimension of a tensor, if the model has one."""
    return (rows,) if version.max_batch_size else ()


def wanted(version: ModelVersion, terms: Terms) -> tuple[TensorSpec, ...]:
    """Returns the outputs that a call wants, in the order in which they come."""
    outputs = version.signature.outputs
    return tuple(outputs[position] for position in terms.outputs) or outputs


def merge(calls: Sequence[Tensors]) -> Tensors:
    """Joins calls of equal row shapes and terms into one batch, in order."""
    if len(calls) == 1:
        return calls[0]
    return Tensors(
        rows=sum(call.rows for call in calls),
        shapes=calls[0].shapes,
        data=tuple(map(b"".join, zip(*(call.data for call in calls), strict=True))),
        terms=calls[0].terms,
    )


def split(batch: Tensors, specs: Sequence[TensorSpec], rows: Sequence[int]) -> list[Tensors]:
    """Cuts a batch, and its time, into calls of the given numbers of rows, in order; `rows` adds up to the batch's."""
    if len(rows) == 1:
        return [batch]
    columns = [
        cut(data, row_offsets(data, spec.datatype, shape, batch.rows), rows)
        for data, shape, spec in zip(batch.data, batch.shapes, specs, strict=True)
    ]
    parts = zip(*columns, strict=True) if columns else (() for _ in rows)
    shapes, terms, row_seconds = batch.shapes, batch.terms, batch.seconds / batch.rows
    return [Tensors(count, shapes, data, terms, count * row_seconds) for count, data in zip(rows, parts, strict=True)]


def cut(data: Buffer, offsets: Sequence[int], rows: Sequence[int]) -> list[Buffer]:
    """Cuts one tensor after every `rows` rows; row i starts at `offsets[i]`."""
    bounds = accumulate(rows, initial=0)
    return [data[offsets[start] : offsets[end]] for start, end in pairwise(bounds)]


def row_offsets(data: Buffer, datatype: str, shape: tuple[int, ...], rows: int) -> Sequence[int]:
    """Returns where each row starts, and where the last one ends."""
    row_elements = prod(shape)
    if not row_elements:
        return (0,) * (rows + 1)
    if datatype == BYTES:
        return element_offsets(data, rows * row_elements)[::row_elements]
    row_bytes = row_elements * ELEMENT_BYTES[datatype]
    return range(0, (rows + 1) * row_bytes, row_bytes)


def element_offsets(data: Buffer, count: int) -> list[int]:
    """Returns where each of `count` BYTES elements starts, and where the last one ends.

    Raises:
        ValueError: The data holds fewer or more elements.
    """
    offsets, position = [0], 0
    if count * LENGTH_BYTES <= len(data):  # a claim of more is not worth a loop
        with suppress(StructError):  # it ends too soon
            for _ in range(count):
                position += LENGTH_BYTES + read_length(data, position)[0]
                offsets.append(position)
    if position != len(data) or len(offsets) != count + 1:
        raise ValueError(f"{len(data)} bytes do not hold exactly {count} elements, each behind its 4-byte length")
    return offsets


def elements(data: Buffer, count: int) -> list[bytes]:
    """Returns `count` BYTES elements without their lengths.

    Raises:
        ValueError: The data holds fewer or more elements.
    """
    return [bytes(data[start + LENGTH_BYTES : end]) for start, end in pairwise(element_offsets(data, count))]


def element(value: bytes) -> bytes:
    """Returns one BYTES element behind its length."""
    return len(value).to_bytes(LENGTH_BYTES, "little") + value
