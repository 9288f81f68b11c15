"""Turns values into arrays of a KServe datatype, and arrays into the bytes of tensors and back."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from numbers import Real
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gapura_client.hub_client.errors import InvalidFeatures

Array: TypeAlias = NDArray[Any]

BYTES = "BYTES"
LENGTH_BYTES = 4
NUMPY_TYPES = {
    "BOOL": "?",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
    **{f"INT{8 * size}": f"<i{size}" for size in (1, 2, 4, 8)},
    **{f"UINT{8 * size}": f"<u{size}" for size in (1, 2, 4, 8)},
}
MISSING = ("NoneType", "NAType", "NaTType")  # those of pandas by their names


def typed(values: Any, datatype: str, where: str) -> Array:
    """Returns values as an array of a datatype; texts become objects.

    Args:
        values: Whatever `numpy.asarray` takes. What is missing is NaN where the datatype has it.
        datatype: KServe v2 name.
        where: What the values are, for messages.

    Raises:
        InvalidFeatures: They do not fit; the message names the first.
    """
    if datatype == BYTES:
        return _texts(np.asarray(values, dtype=object), where)
    given = _as_array(values, where)
    if given.dtype.kind == "O":
        given = _numbers(given, where)
    if given.dtype.kind not in "biuf":
        raise InvalidFeatures(f"{where}: values of type {given.dtype} are no numbers; the model takes {datatype}")
    with np.errstate(all="ignore"):
        cast = given.astype(NUMPY_TYPES[datatype])
    kept = (np.isinf(cast) == np.isinf(given)) if cast.dtype.kind == "f" else (cast == given)
    if not kept.all():
        raise InvalidFeatures(f"{where}: {_first(given, ~kept)} is no {datatype}, which the model takes")
    return cast


def to_bytes(array: Array, datatype: str) -> bytes:
    """Returns the bytes of a tensor, row-major; each text stands behind its length."""
    if datatype != BYTES:
        return array.tobytes()
    return b"".join(len(text).to_bytes(LENGTH_BYTES, "little") + text for text in array.ravel())


def from_bytes(data: bytes, datatype: str, shape: Sequence[int]) -> Array:
    """Returns the array of a tensor; its texts are `str`."""
    if datatype != BYTES:
        return np.frombuffer(data, NUMPY_TYPES[datatype]).reshape(shape).copy()
    texts = np.empty(shape, dtype=object)
    texts.ravel()[:] = [text.decode(errors="backslashreplace") for text in _cut(data)]
    return texts


def _as_array(values: Any, where: str) -> Array:
    try:
        return np.asarray(values)
    except ValueError as error:
        raise InvalidFeatures(f"{where}: rows of unequal lengths; give each the same") from error


def _numbers(given: Array, where: str) -> Array:
    """Returns objects as numbers."""
    numbers: list[Any] = []
    for row, value in enumerate(given.ravel()):
        if type(value).__name__ in MISSING:
            numbers.append(np.nan)
        elif isinstance(value, Real | Decimal | np.bool_):
            numbers.append(value if isinstance(value, int) else float(value))
        else:
            raise InvalidFeatures(f"{where}: value {row} is {value!r}, which is no number")
    return np.array(numbers).reshape(given.shape)


def _texts(given: Array, where: str) -> Array:
    """Returns texts in UTF-8."""
    encoded = np.empty(given.shape, dtype=object)
    flat = encoded.ravel()
    for row, value in enumerate(given.ravel()):
        if isinstance(value, str):
            flat[row] = value.encode()
        elif isinstance(value, bytes):
            flat[row] = value
        else:
            raise InvalidFeatures(f"{where}: value {row} is {value!r}, which is no text; where there is none, pass ''")
    return encoded


def _first(given: Array, where: Array) -> str:
    return f"value {int(np.flatnonzero(where.ravel())[0])}, {given.ravel()[where.ravel()][0]},"


def _cut(data: bytes) -> Iterator[bytes]:
    """Yields texts without their lengths."""
    position = 0
    while position < len(data):
        start = position + LENGTH_BYTES
        position = start + int.from_bytes(data[position:start], "little")
        yield data[start:position]
