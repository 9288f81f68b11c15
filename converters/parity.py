"""Proves that a graph answers as the original model does, row by row and batch by batch."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.differences import measure
from converters.errors import ConversionError
from converters.graph import Native, Tolerance
from converters.layout import count_rows, join, take
from converters.normalisation import BATCHES
from converters.report import ParityReport, WorstRow
from converters.signature import Feeds, InputSpec
from converters.trial import Trial

_BATCH = 64
_WORST = 5
_SHOWN = 12  # values of a tensor


def compare(
    answer: Native, trial: Trial, spec: InputSpec, tolerance: Tolerance, sizes: tuple[int, ...] = BATCHES
) -> ParityReport:
    """Scores the trial's rows with the graph and reports the differences.

    Args:
        answer: The graph as a function of rows.
        trial: Rows with the native answers.
        spec: What the rows are.
        tolerance: How far answers may lie apart.
        sizes: Batches in which a row must be answered alike.

    Raises:
        ConversionError: The graph cannot answer, or answers in other shapes.
    """
    answers = _answer(answer, trial.rows, _BATCH)
    _require_shapes(trial.answers, answers)
    differences = measure(trial.answers, answers, tolerance)
    drifts = [measure(answers, _answer(answer, trial.rows, size), tolerance) for size in sizes]
    drift = max((float(each.max()) for each in drifts), default=0.0)
    return ParityReport(
        rows=len(differences),
        kinds=trial.kinds,
        declined=trial.declined,
        max_abs_diff=float(differences.max()),
        mean_abs_diff=float(differences.mean()),
        tolerance=tolerance.value,
        relative=tolerance.relative,
        batch_max_abs_diff=drift,
        batch_invariant=drift <= tolerance.value,
        passed=drift <= tolerance.value and float(differences.max()) <= tolerance.value,
        worst=_worst(differences, trial, answers, spec),
    )


def _answer(answer: Native, rows: Feeds, size: int) -> Feeds:
    """The rows answered in batches of one size."""
    return join([answer(take(rows, slice(at, at + size))) for at in range(0, count_rows(rows), size)])


def _require_shapes(native: Feeds, answers: Feeds) -> None:
    for name, answer in native.items():
        found = answers[name].shape if name in answers else None
        if found is None or answer.size != answers[name].size:
            row = list(found[1:]) if found else "nothing"
            raise ConversionError(f"the model answers {list(answer.shape[1:])} as {name!r}, the graph {row}")


def _worst(differences: NDArray[np.float64], trial: Trial, answers: Feeds, spec: InputSpec) -> tuple[WorstRow, ...]:
    order = np.argsort(-differences, kind="stable")[:_WORST]
    return tuple(
        WorstRow(
            index=int(row),
            kind=trial.kind_of(int(row)),
            difference=float(differences[row]),
            inputs=_show_inputs(trial.rows, int(row), spec),
            native={name: _show(answer[row]) for name, answer in trial.answers.items()},
            onnx={name: _show(answers[name][row]) for name in trial.answers},
        )
        for row in order
        if differences[row] > 0
    )


def _show_inputs(rows: Feeds, row: int, spec: InputSpec) -> dict[str, Any]:
    if spec.is_matrix:
        return dict(zip(spec.columns, _show(rows[spec.tensors[0].name][row], len(spec.columns)), strict=True))
    return {name: _show(array[row])[0] if array[row].size == 1 else _show(array[row]) for name, array in rows.items()}


def _show(values: NDArray[Any], most: int = _SHOWN) -> list[Any]:
    """Values that JSON can hold."""
    return [None if each != each else each for each in np.ravel(values)[:most].tolist()]  # noqa: PLR0124 - NaN is not itself
