"""Packs typed contents as raw bytes, field by field as Triton does."""

import sys
from array import array
from typing import Any

from gateway.tensors import BYTES, element

# Elements of one tensor that are looked at one by one, texts and typed contents: more would hold up the event loop.
MOST_ELEMENTS = 1_000_000

# Field of InferTensorContents -> the datatypes that it carries, the one that Triton names first.
FIELDS = {
    "bool_contents": ("BOOL",),
    "int_contents": ("INT32", "INT8", "INT16"),
    "int64_contents": ("INT64",),
    "uint_contents": ("UINT32", "UINT8", "UINT16"),
    "uint64_contents": ("UINT64",),
    "fp32_contents": ("FP32",),
    "fp64_contents": ("FP64",),
    "bytes_contents": (BYTES,),
}
FIELD_OF = {datatype: field for field, datatypes in FIELDS.items() for datatype in datatypes}

# KServe v2 datatype -> array typecode, and the bits of it that narrow datatypes keep of their wider field.
TYPECODES = {
    "BOOL": ("b", None),
    "INT8": ("B", 0xFF),
    "INT16": ("H", 0xFFFF),
    "INT32": ("i", None),
    "INT64": ("q", None),
    "UINT8": ("B", 0xFF),
    "UINT16": ("H", 0xFFFF),
    "UINT32": ("I", None),
    "UINT64": ("Q", None),
    "FP32": ("f", None),
    "FP64": ("d", None),
}


def pack_contents(contents: Any, datatype: str) -> bytes | None:
    """Returns typed contents as raw bytes; nothing where another field is filled than the datatype's, or too far."""
    field = FIELD_OF.get(datatype)
    filled = {descriptor.name for descriptor, _ in contents.ListFields()}
    if filled - {field}:
        return None
    if not filled or field is None:
        return b""
    values = getattr(contents, field)
    if len(values) > MOST_ELEMENTS:
        return None
    if datatype == BYTES:
        return b"".join(map(element, values))
    typecode, mask = TYPECODES[datatype]
    packed = array(typecode, values if mask is None else [value & mask for value in values])
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def misfit(contents: Any, datatype: str) -> str | None:
    """Says what keeps contents from being of a datatype, as Triton ends its sentence; nothing where they are."""
    taken = False
    for field, datatypes in FIELDS.items():
        if not getattr(contents, field):
            continue
        if taken:
            return ", binary data was already supplied."
        if datatype not in datatypes:
            return f" of type '{datatypes[0]}', expected datatype '{datatype}'"
        taken = True
    return None
