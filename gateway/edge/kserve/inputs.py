"""Checks the input tensors of a KServe v2 request against a signature, in Triton's own words."""

import sys
from array import array
from collections.abc import Mapping
from math import prod
from typing import Any, NoReturn

from gateway.errors import InvalidRequest
from gateway.tensors import BYTES, ELEMENT_BYTES, element, element_offsets, fits
from gateway.types import ModelVersion, Tensors, TensorSpec

# KServe v2 datatype -> field of InferTensorContents and array typecode.
CONTENTS = {
    "BOOL": ("bool_contents", "b"),
    "INT8": ("int_contents", "b"),
    "INT16": ("int_contents", "h"),
    "INT32": ("int_contents", "i"),
    "INT64": ("int64_contents", "q"),
    "UINT8": ("uint_contents", "B"),
    "UINT16": ("uint_contents", "H"),
    "UINT32": ("uint_contents", "I"),
    "UINT64": ("uint64_contents", "Q"),
    "FP32": ("fp32_contents", "f"),
    "FP64": ("fp64_contents", "d"),
}


def read_inputs(request: Any, version: ModelVersion) -> Tensors:
    """Checks the inputs of a request and puts them in the signature's order.

    Raises:
        InvalidRequest: They do not fit the signature.
    """
    specs = version.signature.inputs
    given = {tensor.name: position for position, tensor in enumerate(request.inputs)}
    check_names(request, version, given)
    tensors = [request.inputs[given[spec.name]] for spec in specs]
    rows = check_rows(request, version, tensors)
    for tensor, spec in zip(tensors, specs, strict=True):
        check_tensor(request, version, tensor, spec)
    data = tuple(read_data(request, version, given[spec.name], spec) for spec in specs)
    skip = 1 if version.max_batch_size else 0
    return Tensors(rows, tuple(tuple(tensor.shape[skip:]) for tensor in tensors), data)


def check_names(request: Any, version: ModelVersion, given: Mapping[str, int]) -> None:
    """Checks that every input is there, once, and no other.

    Raises:
        InvalidRequest: One is missing or not known.
    """
    wanted = [spec.name for spec in version.signature.inputs]
    missing = [name for name in wanted if name not in given]
    if len(request.inputs) != len(wanted):
        listed = ",".join(f"'{name}'" for name in given)
        lacking = ",".join(f"'{name}'" for name in missing)
        counts = f"expected {len(wanted)} inputs but got {len(request.inputs)} inputs for model '{version.model}'."
        told = f" Got input(s) [{listed}], but missing required input(s) [{lacking}]." if missing else ""
        refuse(request, version, "", counts + told, with_id=True)
    for name in given:
        if name not in wanted:
            refuse(request, version, name, f"unexpected inference input '{name}' for model '{version.model}'")
    if missing:
        told = f"inputs sent twice, and missing required input(s) {missing} for model '{version.model}'"
        refuse(request, version, missing[0], told, with_id=True)


def check_rows(request: Any, version: ModelVersion, tensors: list[Any]) -> int:
    """Returns the number of rows, the same in every input.

    Raises:
        InvalidRequest: The inputs disagree, or hold no rows or more than the model takes.
    """
    if not version.max_batch_size:
        return 1
    sizes = {tensor.shape[0] if tensor.shape else 0 for tensor in tensors}
    rows = sizes.pop() if len(sizes) == 1 else 0
    if rows < 1:
        refuse(request, version, "", f"every input of '{version.model}' needs the same first dimension, from 1")
    if rows > version.max_batch_size:
        limit = f"inference request batch-size must be <= {version.max_batch_size} for '{version.model}'"
        raise InvalidRequest(
            "BATCH_TOO_LARGE", told_of(request) + limit, model=version.model, limit=str(version.max_batch_size)
        )
    return int(rows)


def check_tensor(request: Any, version: ModelVersion, tensor: Any, spec: TensorSpec) -> None:
    """Checks datatype and shape of one input.

    Raises:
        InvalidRequest: They are not the signature's.
    """
    if tensor.datatype != spec.datatype:
        types = f"data-type is '{tensor.datatype}', but model '{version.model}' expects '{spec.datatype}'"
        refuse(request, version, spec.name, f"inference input '{spec.name}' {types}", with_id=True)
    expected = (-1, *spec.dims) if version.max_batch_size else spec.dims
    if not fits(tuple(tensor.shape), expected):
        shapes = f"Expected [{','.join(map(str, expected))}], got [{','.join(map(str, tensor.shape))}]."
        told = f"unexpected shape for input '{spec.name}' for model '{version.model}'. {shapes}"
        note = " NOTE: the first dimension counts the rows of the batch." if version.max_batch_size else ""
        refuse(request, version, spec.name, told + note, with_id=True)


def read_data(request: Any, version: ModelVersion, position: int, spec: TensorSpec) -> bytes:
    """Returns the bytes of one input, sent raw or as typed contents.

    Raises:
        InvalidRequest: They are missing, sent twice, or too few or too many.
    """
    tensor = request.inputs[position]
    typed = tensor.HasField("contents")
    if typed and request.raw_input_contents:
        told = f"contents field must not be specified when using raw_input_contents for '{spec.name}'"
        refuse(request, version, spec.name, f"{told} for model '{version.model}'")
    if not typed and position >= len(request.raw_input_contents):
        refuse(
            request, version, spec.name, f"input '{spec.name}' has neither contents nor an entry in raw_input_contents"
        )
    try:
        data = pack_contents(tensor.contents, spec.datatype) if typed else request.raw_input_contents[position]
        check_size(data, spec.datatype, prod(tensor.shape))
    except (ValueError, OverflowError) as error:
        told = f"input byte size mismatch for input '{spec.name}' for model '{version.model}'. {error}"
        refuse(request, version, spec.name, told, with_id=True)
    return bytes(data)


def check_size(data: bytes, datatype: str, count: int) -> None:
    """Checks that the data holds exactly `count` elements.

    Raises:
        ValueError: It does not.
    """
    if datatype == BYTES:
        element_offsets(data, count)
    elif len(data) != count * ELEMENT_BYTES[datatype]:
        raise ValueError(f"Expected {count * ELEMENT_BYTES[datatype]}, got {len(data)}")


def pack_contents(contents: Any, datatype: str) -> bytes:
    """Packs typed contents as raw bytes.

    Raises:
        ValueError: The datatype has no typed contents.
        OverflowError: A value does not fit the datatype.
    """
    if datatype == BYTES:
        return b"".join(map(element, contents.bytes_contents))
    if datatype not in CONTENTS:
        raise ValueError(f"{datatype} has no typed contents; send raw_input_contents")
    field, typecode = CONTENTS[datatype]
    values = array(typecode, getattr(contents, field))
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


def refuse(request: Any, version: ModelVersion, tensor: str, told: str, *, with_id: bool = False) -> NoReturn:
    """Refuses a request; where Triton names the request, so do we.

    Raises:
        InvalidRequest: Always.
    """
    prefix = told_of(request) if with_id else ""
    raise InvalidRequest("INVALID_TENSOR", prefix + told, model=version.model, tensor=tensor)


def told_of(request: Any) -> str:
    """Names the request as Triton does before a message."""
    return f"[request id: {request.id or '<id_unknown>'}] "
