"""Tries a version out on a node: real rows must come back as the original model answers them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters import Golden
from converters.differences import measure
from converters.graph import Tolerance
from hub.errors import ModelRefusedError
from hub.nodes.node import Arrays, Node


def try_out(node: Node, model_name: str, version: int, golden: Golden) -> None:
    """Calls a version with one row, and then with all; a model without batches gets its one request.

    Raises:
        NodeDownError: The node does not answer.
        ModelRefusedError: The model fails there, or answers otherwise.
    """
    for rows in (slice(1), slice(None)) if golden.batched else (slice(None),):
        inputs = {name: array[rows] for name, array in golden.inputs.items()}
        expected = {name: array[rows] for name, array in golden.answers.items()}
        difference = find_difference(expected, node.infer(model_name, version, inputs), golden)
        if difference is not None:
            raise ModelRefusedError(f"node {node.address} answers otherwise than the model: {difference}")


def find_difference(expected: Arrays, actual: Arrays, golden: Golden) -> str | None:
    """Says where answers differ from what they must be; None where they agree.

    Args:
        expected: Right answers by output.
        actual: What a node answered.
        golden: Says how far they may lie apart.
    """
    if actual.keys() != expected.keys():
        return f"it answers {', '.join(sorted(actual))} instead of {', '.join(sorted(expected))}"
    for name, answer in actual.items():
        known = expected[name]
        if answer.shape != known.shape or not _same_kind(answer, known):
            return f"{name} has shape {list(answer.shape)} of {answer.dtype}, not {list(known.shape)} of {known.dtype}"
        if known.dtype.kind == "f" and bool((np.isnan(answer) & ~np.isnan(known)).any()):
            return f"{name} is NaN where the model's is not"
    return _find_difference(expected, actual, golden)


def _find_difference(expected: Arrays, actual: Arrays, golden: Golden) -> str | None:
    tolerance = Tolerance(golden.tolerance, golden.relative)
    for name in expected:
        if expected[name].dtype.kind == "f":
            worst = float(_measure({name: expected[name]}, actual, tolerance, batched=golden.batched).max(initial=0))
            if worst > golden.tolerance:
                return f"{name} differs by up to {worst:.3g} (allowed {golden.tolerance:.0e})"
    labels = _measure(expected, actual, tolerance, batched=golden.batched)
    wrong = np.flatnonzero(labels > golden.tolerance)
    return f"the label of row {wrong[0]} differs" if wrong.size else None


def _measure(expected: Arrays, actual: Arrays, tolerance: Tolerance, *, batched: bool) -> NDArray[np.float64]:
    """Differences by row; a request without batches is one row."""
    return measure(_rows(expected, batched=batched), _rows(actual, batched=batched), tolerance)


def _rows(answers: Arrays, *, batched: bool) -> Mapping[str, NDArray[Any]]:
    return answers if batched else {name: answer[np.newaxis] for name, answer in answers.items()}


def _same_kind(left: NDArray[Any], right: NDArray[Any]) -> bool:
    """Texts come as bytes or as str, in arrays of objects."""
    return left.dtype == right.dtype or {left.dtype.kind, right.dtype.kind} <= set("OSU")
