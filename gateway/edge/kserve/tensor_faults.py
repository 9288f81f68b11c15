"""Tells how one input is not what the signature says, in Triton's own words."""

from math import prod
from typing import Any

from gateway.edge.kserve.contents import MOST_ELEMENTS, pack_contents
from gateway.edge.kserve.frames import Asked
from gateway.edge.kserve.inputs import filled, find
from gateway.tensors import BYTES, ELEMENT_BYTES, LENGTH_BYTES
from gateway.types import Buffer, ModelVersion, TensorSpec

# Triton's backend says this, and does not name the request.
CUT_TEXT = "incomplete string data for inference input '"
BATCH_NOTE = (
    "NOTE: Setting a non-zero max_batch_size in the model config requires a batch dimension to be prepended to each "
    "input shape. If you want to specify the full shape including the batch dim in your input dims config, try setting "
    "max_batch_size to zero. See the model configuration docs for more info on max_batch_size."
)


def shape_fault(tensor: Any, spec: TensorSpec, version: ModelVersion) -> str | None:
    """Says how a shape is not the signature's."""
    of = f"for input '{spec.name}' for model '{version.model}'"
    row = tensor.shape[1:] if version.max_batch_size else tensor.shape
    for size, wanted in zip(row, spec.dims, strict=False) if len(row) == len(spec.dims) else [(0, 1)]:
        if size == -1:
            return f"All input dimensions should be specified {of}, got {dims_of(tensor.shape)}"
        if wanted not in (-1, size):
            expected = (-1, *spec.dims) if version.max_batch_size else spec.dims
            note = BATCH_NOTE if version.max_batch_size else ""
            return f"unexpected shape {of}. Expected {dims_of(expected)}, got {dims_of(tensor.shape)}. {note}"
    return None


def size_fault(asked: Asked, tensor: Any, spec: TensorSpec, version: ModelVersion) -> str | None:
    """Says how the data is not that of the shape; Triton counts in 64 bits, rows in 32, and no rows as one."""
    of = f"for input '{spec.name}' for model '{version.model}'"
    position = find(asked.message.inputs, spec.name)
    data = pack_contents(tensor.contents, spec.datatype) if tensor.HasField("contents") else asked.raw[position]
    row = tensor.shape[1:] if version.max_batch_size else tensor.shape
    rows = (tensor.shape[0] & 0xFFFF_FFFF or 1) if version.max_batch_size else 1
    count = rows * prod(row)
    told = None
    if spec.datatype == BYTES:
        told = text_fault(data or b"", wrapped(count), spec.name, version.model)
    elif (expected := wrapped(count * ELEMENT_BYTES[spec.datatype])) != len(data or b""):
        told = f"input byte size mismatch {of}. Expected {expected}, got {len(data or b'')}"
    sound = min(row, default=0) >= 0 and (not version.max_batch_size or tensor.shape[0] > 0)
    if told or (sound and filled(data or b"", spec.datatype, count)):
        return told
    return f"unexpected shape {of}: its dimensions, {dims_of(tensor.shape)}, are not those of any tensor"


def text_fault(data: Buffer, count: int, name: str, model: str) -> str | None:
    """Says how data does not hold `count` BYTES elements."""
    of = f"for inference input '{name}' for model '{model}'"
    if min(count, len(data) // LENGTH_BYTES) > MOST_ELEMENTS:
        return f"unexpected number of string elements {count} {of}: send {MOST_ELEMENTS} at most in one tensor"
    position = seen = length = left = 0
    while position < len(data):
        left = len(data) - position
        if left < LENGTH_BYTES:
            return (
                f"incomplete string length indicator {of}, expecting {LENGTH_BYTES} bytes but only {left} bytes "
                "available. Please make sure the string length indicator is in one buffer."
            )
        seen += 1
        if seen > count:
            return f"unexpected number of string elements {seen} {of}, expecting {count}"
        length = int.from_bytes(data[position : position + LENGTH_BYTES], "little")
        left -= LENGTH_BYTES
        position += LENGTH_BYTES + length
    if seen < count:
        return f"expected {count} string elements {of}, got {seen}"
    if position > len(data):
        return f"{CUT_TEXT}{name}', expecting string of length {length} but only {left} bytes available"
    return None


def wrapped(number: int) -> int:
    """Returns what 64 bits hold of a number."""
    return (number + 2**63) % 2**64 - 2**63


def dims_of(shape: Any) -> str:
    """Writes a shape as Triton does."""
    return f"[{','.join(map(str, shape))}]"
