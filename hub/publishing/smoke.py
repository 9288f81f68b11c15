"""Tries a version out on a node: real rows must come back as the proven graph answers them in this process."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from erpml.catalog.v1 import catalog_pb2
from numpy.typing import NDArray

from converters.session import open_session, run
from converters.signature import Rows
from hub.errors import ModelRefusedError
from hub.nodes.node import Arrays, Node

_ROWS = 256


@dataclass(frozen=True, slots=True)
class Probe:
    """Rows whose answers are known.

    Attributes:
        tensor: Name of the input.
        rows: `[rows, columns]` real rows in the model's type.
        answers: Outputs of the converted graph, by name.
        tolerance: Largest difference that passes.
        relative: Whether the tolerance is a share of the answer, at least of 1.
    """

    tensor: str
    rows: Rows
    answers: Arrays
    tolerance: float
    relative: bool

    def difference(self, answers: Arrays) -> str | None:
        """Says where answers to the first rows differ from what they must be; None where they agree."""
        if answers.keys() != self.answers.keys():
            return f"it answers {', '.join(sorted(answers))}"
        for name, actual in answers.items():
            expected = self.answers[name][: len(actual)]
            if (actual.shape, actual.dtype) != (expected.shape, expected.dtype):
                return f"{name} has shape {list(actual.shape)} of {actual.dtype}"
            if np.issubdtype(actual.dtype, np.floating) and not self._agree(actual, expected):
                return f"{name} differs by up to {np.abs(actual - expected).max():.3g} (allowed {self.tolerance:.0e})"
        return None

    def _agree(self, actual: NDArray[Any], expected: NDArray[Any]) -> bool:
        scale = np.maximum(1.0, np.abs(expected)) if self.relative else 1.0
        return bool(np.allclose(actual / scale, expected / scale, rtol=0, atol=self.tolerance, equal_nan=True))


def make_probe(graph: bytes, proof: bytes, sample: Rows) -> Probe:
    """Answers the first rows of a parity sample; the proof says how far other answers may lie apart.

    Raises:
        ConversionError: The graph cannot be run.
    """
    session = open_session(graph)
    tensor = session.get_inputs()[0]
    dtype: type[np.floating[Any]] = np.float64 if tensor.type == "tensor(double)" else np.float32
    rows: Rows = np.ascontiguousarray(sample[:_ROWS], dtype=dtype)
    report: Mapping[str, Any] = json.loads(proof)
    return Probe(tensor.name, rows, run(session, rows), report["tolerance"], report["relative"])


def try_out(node: Node, model: catalog_pb2.Model, probe: Probe) -> None:
    """Calls a model's one version with one row, and then with all.

    Raises:
        NodeDownError: The node does not answer.
        ModelRefusedError: The model fails there, or answers otherwise.
    """
    for rows in (probe.rows[:1], probe.rows):
        difference = probe.difference(node.infer(model.name, model.versions[0].number, {probe.tensor: rows}))
        if difference is not None:
            raise ModelRefusedError(f"node {node.address} answers otherwise than the proven graph: {difference}")
