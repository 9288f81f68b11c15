"""Tries a graph on other sizes of the dimensions that its signature leaves open: exporters may have frozen them."""

from dataclasses import replace

from converters.differences import measure
from converters.drawing import draw_rows
from converters.errors import ConversionError
from converters.graph import Native, Tolerance
from converters.signature import InputSpec

_SIZES = (2, 5, 11)
_ROWS = 3
_COMPLAINT = "the signature leaves a dimension open (-1), but the graph"
_ADVICE = "log it with the true size, or let the model's code not depend on it"


def require_lengths(answer: Native, native: Native, spec: InputSpec, tolerance: Tolerance) -> None:
    """Compares a graph with its model on open dimensions of several sizes; sizes that the model declines do not count.

    Args:
        answer: The graph as a function of rows.
        native: The original model.
        spec: What both take.
        tolerance: How far answers may lie apart.

    Raises:
        ConversionError: The graph fails on a size, or answers otherwise.
    """
    for size in _SIZES if any(dim < 0 for shape in spec.shapes for dim in shape) else ():
        shapes = tuple(tuple(size if dim < 0 else dim for dim in shape) for shape in spec.shapes)
        rows = draw_rows(_ROWS, replace(spec, shapes=shapes), None)
        try:
            expected = native(rows)
        except ConversionError:
            continue
        try:
            apart = float(measure(expected, answer(rows), tolerance).max())
        except (ConversionError, ValueError) as error:  # it fails, or answers in another shape
            raise ConversionError(f"{_COMPLAINT} fails on {size}: {_ADVICE} ({error})") from error
        if apart > tolerance.value:
            raise ConversionError(f"{_COMPLAINT} answers otherwise on {size} (by {apart:.3g}): {_ADVICE}")
