"""Proves that a graph answers as the original model does, row by row."""

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from converters.edge_rows import derive_edge_rows
from converters.errors import ConversionError
from converters.graph import Graph, Task
from converters.session import open_session, run
from converters.signature import Rows

_BATCHES = (1, 2, 17)
_WORST = 5

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far two answers may lie apart: absolutely, or as a share of the native answer (at least of 1)."""

    value: float
    relative: bool


TOLERANCES = {Task.CLASSIFICATION: Tolerance(1e-5, relative=False), Task.REGRESSION: Tolerance(1e-4, relative=True)}


@dataclass(frozen=True, slots=True)
class WorstRow:
    """A row with a large difference, and both answers to it.

    Attributes:
        index: Position among the sample's rows; edge rows follow them.
        native: Scores of the original model.
        onnx: Scores of the graph.
    """

    index: int
    native: tuple[float, ...]
    onnx: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ParityReport:
    """Outcome of a proof.

    Attributes:
        rows: Rows compared, edge rows included.
        edge_rows: How many of them were derived from the sample.
        max_abs_diff: Largest absolute difference of a score; infinite when one side alone is NaN.
        mean_abs_diff: Mean absolute difference.
        tolerance: Largest difference that passes.
        relative: Whether the tolerance is a share of the native score.
        batch_max_abs_diff: Largest difference between a row alone and the same row in a batch.
        batch_invariant: Whether that lies within the tolerance.
        passed: Whether the model may ship.
        worst: The rows with the largest differences, largest first.
    """

    rows: int
    edge_rows: int
    max_abs_diff: float
    mean_abs_diff: float
    tolerance: float
    relative: bool
    batch_max_abs_diff: float
    batch_invariant: bool
    passed: bool
    worst: tuple[WorstRow, ...]

    def to_json(self) -> str:
        """Returns the report as an indented JSON object."""
        return json.dumps(asdict(self), indent=2) + "\n"


class ParityError(ConversionError):
    """The graph does not agree with the model.

    Attributes:
        report: What was compared and where it differs.
    """

    def __init__(self, report: ParityReport) -> None:
        """Words the message from `report`."""
        self.report = report
        reason = f"answers differ by up to {report.max_abs_diff:.3g} over {report.rows} rows"
        if not report.batch_invariant:
            reason = f"a row's answer depends on its batch by up to {report.batch_max_abs_diff:.3g}"
        super().__init__(
            f"ONNX and the model do not agree: {reason} (tolerance {report.tolerance:g}); trees that are fed doubles"
            " need a CastTransformer(dtype=np.float32) as their first step"
        )


def compare(graph: Graph, content: bytes, sample: Rows) -> ParityReport:
    """Scores the sample's rows and its edges with both and reports the differences.

    Args:
        graph: Gives the native model and the task.
        content: The normalised graph, serialised.
        sample: `[rows, columns]` real rows in the model's type.

    Raises:
        ConversionError: There is no row to compare, or one side cannot answer.
    """
    if not len(sample):
        raise ConversionError("the parity sample has no rows")
    edges = derive_edge_rows(sample)
    rows = np.concatenate([sample, edges])
    session, score = open_session(content), graph.task.score
    native, onnx = graph.native(rows), _score(session, score, rows)
    if native.shape != onnx.shape:
        raise ConversionError(f"the model answers {native.shape[1]} scores a row, the graph {onnx.shape[1]}")
    tolerance = TOLERANCES[graph.task]
    drift = max(float(_differences(onnx, again).max()) for again in _rebatched(session, score, rows))
    differences = _differences(native, onnx)
    scale = np.maximum(1.0, np.abs(np.nan_to_num(native))) if tolerance.relative else np.ones_like(native)
    batch_invariant = drift <= tolerance.value * float(scale.min())
    return ParityReport(
        rows=len(rows),
        edge_rows=len(edges),
        max_abs_diff=float(differences.max()),
        mean_abs_diff=float(differences.mean()),
        tolerance=tolerance.value,
        relative=tolerance.relative,
        batch_max_abs_diff=drift,
        batch_invariant=batch_invariant,
        passed=batch_invariant and bool((differences <= tolerance.value * scale).all()),
        worst=_worst(differences / scale, native, onnx),
    )


def _score(session: onnxruntime.InferenceSession, name: str, rows: Rows) -> Scores:
    scores: Scores = run(session, rows)[name].astype(np.float64).reshape(len(rows), -1)
    return scores


def _rebatched(session: onnxruntime.InferenceSession, name: str, rows: Rows) -> list[Scores]:
    """The same rows answered in batches of 1, 2 and 17."""
    return [
        np.concatenate([_score(session, name, rows[start : start + size]) for start in range(0, len(rows), size)])
        for size in _BATCHES
    ]


def _differences(left: Scores, right: Scores) -> Scores:
    """Absolute differences; two NaN or two equal infinities agree, a lone one differs without bound."""
    with np.errstate(invalid="ignore"):
        differences = np.abs(left - right)
    same = (left == right) | (np.isnan(left) & np.isnan(right))
    return np.where(same, 0.0, np.where(np.isnan(differences), np.inf, differences))


def _worst(differences: Scores, native: Scores, onnx: Scores) -> tuple[WorstRow, ...]:
    by_row: NDArray[Any] = differences.max(axis=1)
    order = np.argsort(by_row)[::-1][:_WORST]
    return tuple(
        WorstRow(int(row), tuple(native[row].tolist()), tuple(onnx[row].tolist())) for row in order if by_row[row] > 0
    )
