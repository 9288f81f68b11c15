"""What a proof found, and how it is kept."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from converters.errors import ConversionError


@dataclass(frozen=True, slots=True)
class WorstRow:
    """A row with a large difference, and both answers to it.

    Attributes:
        index: Position among all rows.
        kind: Kind of row.
        difference: As `ParityReport.max_abs_diff`; infinite where a label differs.
        inputs: What was asked, by column; None is missing.
        native: What the original model answers, by output.
        onnx: What the graph answers.
    """

    index: int
    kind: str
    difference: float
    inputs: Mapping[str, Any]
    native: Mapping[str, Any]
    onnx: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ParityReport:
    """Outcome of a proof.

    Attributes:
        rows: Rows compared.
        kinds: How many of them are real, drawn from the signature, or of each kind of edge.
        declined: Edge rows that the model itself does not take, by kind.
        max_abs_diff: Largest difference between two answers: absolute, or where `relative` says so, as a share of the
            native answer (at least of 1). Infinite when a label differs or one side alone is NaN.
        mean_abs_diff: Mean over the rows of their largest difference, in the same measure.
        tolerance: Largest difference that passes, in the same measure.
        relative: Whether differences are shares of the native answer.
        batch_max_abs_diff: Largest difference between a row in batches of 1, 2, 17 and 64.
        batch_invariant: Whether that lies within the tolerance.
        passed: Whether the model may ship.
        worst: The rows with the largest differences, largest first.
    """

    rows: int
    kinds: Mapping[str, int]
    declined: Mapping[str, int]
    max_abs_diff: float
    mean_abs_diff: float
    tolerance: float
    relative: bool
    batch_max_abs_diff: float
    batch_invariant: bool
    passed: bool
    worst: tuple[WorstRow, ...] = field(default=())

    def to_json(self) -> str:
        """Returns the report as an indented JSON object."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> "ParityReport":
        """Reads what `to_json` returned."""
        described = json.loads(text)
        worst = tuple(WorstRow(**row) for row in described.pop("worst"))
        return cls(**described, worst=worst)


class ParityError(ConversionError):
    """The graph does not agree with the model.

    Attributes:
        report: What was compared and where it differs.
    """

    def __init__(self, report: ParityReport, advice: str = "") -> None:
        """Words the message from `report`.

        Args:
            report: What was found.
            advice: What to change, where it is known.
        """
        self.report = report
        reason = f"answers differ by up to {report.max_abs_diff:.3g} over {report.rows} rows"
        if not report.batch_invariant:
            reason = f"a row's answer depends on its batch by up to {report.batch_max_abs_diff:.3g}"
        super().__init__(
            f"ONNX and the model do not agree: {reason} (tolerance {report.tolerance:g}{_place(report)})"
            f"{'; ' + advice if advice else ''}"
        )


def _place(report: ParityReport) -> str:
    return f"; worst: {report.worst[0].kind} row {report.worst[0].index}" if report.worst else ""
