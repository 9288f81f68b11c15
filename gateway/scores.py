"""Reads scores out of outputs: of every row, the last element of the model's last floating-point output.

That is the probability of the last class of a classifier, and the estimate of a regression.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import isfinite, prod
from struct import Struct
from typing import Literal, NamedTuple

from gateway.types import Buffer, ModelVersion, Tensors

_FORMATS: dict[str, Literal["f", "d"]] = {"FP32": "f", "FP64": "d"}
_MOST_VERSIONS = 8_192

# Scores of one call that are looked at: more of them say little more.
MOST_ROWS = 256


class Place(NamedTuple):
    """Where the scores of a version are.

    Attributes:
        output: Position of the output in the signature.
        elements: Elements of one of its rows.
        format: Of an element, as `struct` knows it.
        last: Bytes before the score of the first row.
        unpack: Reads a score.
    """

    output: int
    elements: int
    format: Literal["f", "d"]
    last: int
    unpack: Callable[[Buffer, int], tuple[float]]


@lru_cache(_MOST_VERSIONS)
def place_of(version: ModelVersion) -> Place | None:
    """Returns where the scores of a version are; None if it gives none."""
    found = None
    for position, spec in enumerate(version.signature.outputs):
        if spec.datatype in _FORMATS and min(spec.dims, default=1) > 0:
            elements, score = prod(spec.dims), Struct(f"<{_FORMATS[spec.datatype]}")
            last = (elements - 1) * score.size
            found = Place(position, elements, _FORMATS[spec.datatype], last, score.unpack_from)
    return found


def scores_of(version: ModelVersion, outputs: Tensors) -> Sequence[float]:
    """Returns the scores of the first rows; none where the call did not want them.

    Args:
        version: Who answered.
        outputs: All of its outputs, or those that their terms name.
    """
    place = place_of(version)
    wanted = outputs.terms.outputs
    if place is None or (wanted and place.output not in wanted):
        return ()
    index = wanted.index(place.output) if wanted else place.output
    if outputs.rows == 1:
        found = place.unpack(outputs.data[index], place.last)
        return found if isfinite(found[0]) else ()
    elements = memoryview(outputs.data[index]).cast("B").cast(place.format)
    scores: Sequence[float] = elements[place.elements - 1 : place.elements * MOST_ROWS : place.elements].tolist()
    return scores if all(map(isfinite, scores)) else [score for score in scores if isfinite(score)]
