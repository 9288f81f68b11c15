"""Takes the tensors of a KServe v2 request that fits its model; those that do not fit are explained elsewhere."""

from collections.abc import Sequence
from math import prod
from typing import Any

from gateway.edge.kserve.contents import MOST_ELEMENTS, pack_contents
from gateway.edge.kserve.frames import Asked
from gateway.tensors import BYTES, ELEMENT_BYTES, element_offsets, fits
from gateway.types import Buffer, ModelVersion, Tensors, TensorSpec

SHARED_MEMORY = "shared_memory_"


def read_inputs(asked: Asked, version: ModelVersion) -> Tensors | None:
    """Returns the inputs in the signature's order, or nothing where one does not fit it."""
    specs, given = version.signature.inputs, asked.message.inputs
    if len(given) != len(specs):
        return None
    most, rows = version.max_batch_size, 1
    shapes: list[tuple[int, ...]] = []
    data: list[Buffer] = []
    for position, spec in enumerate(specs):
        tensor = given[position]
        if tensor.name != spec.name:
            position = find(given, spec.name)  # noqa: PLW2901 - callers may send them in any order
            if position < 0:
                return None
            tensor = given[position]
        shape = tuple(tensor.shape)
        row = shape
        if most:
            if not shape or not (shape[0] == rows if shapes else 0 < shape[0] <= most):
                return None
            rows, row = shape[0], shape[1:]
        if tensor.datatype != spec.datatype or (row != spec.dims and not fits(row, spec.dims)):
            return None
        content = read_data(asked, position, tensor, spec, prod(shape))
        if content is None:
            return None
        shapes.append(row)
        data.append(content)
    return Tensors(rows, tuple(shapes), tuple(data))


def find(tensors: Sequence[Any], name: str) -> int:
    """Returns where a tensor of a name stands, or -1."""
    return next((position for position, tensor in enumerate(tensors) if tensor.name == name), -1)


def read_data(asked: Asked, position: int, tensor: Any, spec: TensorSpec, count: int) -> Buffer | None:
    """Returns the bytes of one input of `count` elements, or nothing where they are not exactly that."""
    if tensor.parameters and any(name.startswith(SHARED_MEMORY) for name in tensor.parameters):
        return None
    if tensor.HasField("contents"):
        data: Buffer | None = None if asked.raw else pack_contents(tensor.contents, spec.datatype)
    else:
        data = asked.raw[position] if position < len(asked.raw) else None
    return data if data is not None and filled(data, spec.datatype, count) else None


def filled(data: Buffer, datatype: str, count: int) -> bool:
    """Says whether the data holds exactly `count` elements, and not more texts than are taken."""
    if datatype != BYTES:
        return len(data) == count * ELEMENT_BYTES[datatype]
    if count > MOST_ELEMENTS:
        return False
    try:
        element_offsets(data, count)
    except ValueError:
        return False
    return True
