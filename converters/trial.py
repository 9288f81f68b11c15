"""The rows that a model is proven on: real ones first, then drawn ones, then edges."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from converters.drawing import draw_rows
from converters.edge_rows import derive_edge_rows
from converters.errors import ConversionError
from converters.graph import Native
from converters.layout import count_rows, join, take
from converters.signature import Feeds, InputSpec

REAL, DRAWN = "real", "drawn"
LEAST_ROWS = 1000
_MOST_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Trial:
    """Rows and what the original model answers to them.

    Attributes:
        rows: All rows, kind after kind.
        answers: The native answers to them.
        kinds: Number of rows of each kind, in their order.
        declined: Number of edge rows that the model itself does not take, by kind.
    """

    rows: Feeds
    answers: Feeds
    kinds: Mapping[str, int]
    declined: Mapping[str, int]

    def kind_of(self, row: int) -> str:
        """Returns the kind of a row."""
        ends = np.cumsum(list(self.kinds.values()))
        return list(self.kinds)[int(np.searchsorted(ends, row, side="right"))]


def try_native(native: Native, spec: InputSpec, sample: Feeds | None) -> Trial:
    """Lets the original model answer at least 1,000 rows.

    Args:
        native: The original model.
        spec: What it takes.
        sample: Real rows; None where there are none.

    Raises:
        ConversionError: It cannot answer its own rows, or answers NaN to real ones.
    """
    groups = dict(_main_rows(spec, sample))
    answered = {kind: (rows, native(rows)) for kind, rows in groups.items()}
    if REAL in answered:
        _refuse_nan(answered[REAL][1])
    declined: dict[str, int] = {}
    for kind, rows in derive_edge_rows(join(list(groups.values())), spec).items():
        taken = _taken(native, rows)
        if taken is not None:
            answered[kind] = taken
        kept = count_rows(taken[0]) if taken else 0
        if kept < count_rows(rows):
            declined[kind] = count_rows(rows) - kept
    return Trial(
        rows=join([rows for rows, _ in answered.values()]),
        answers=join([answers for _, answers in answered.values()]),
        kinds={kind: count_rows(rows) for kind, (rows, _) in answered.items()},
        declined=declined,
    )


def _main_rows(spec: InputSpec, sample: Feeds | None) -> list[tuple[str, Feeds]]:
    real = [] if sample is None else [(REAL, take(sample, slice(_MOST_ROWS)))]
    lacking = LEAST_ROWS - (count_rows(real[0][1]) if real else 0)
    return real + ([(DRAWN, draw_rows(lacking, spec, sample))] if lacking > 0 else [])


def _refuse_nan(answers: Feeds) -> None:
    for name, answer in answers.items():
        if answer.dtype.kind != "f":
            continue
        bad = ~np.isfinite(answer.reshape(len(answer), -1)).all(axis=1)
        if bad.any():
            raise ConversionError(
                f"the model answers NaN for {int(bad.sum())} of {len(answer)} real rows ({name!r}, the first is row"
                f" {int(bad.argmax())}): fill missing values inside the model, or train it again"
            )


def _taken(native: Native, rows: Feeds) -> tuple[Feeds, Feeds] | None:
    """The rows that the model takes, and its answers; it may well decline missing or unknown values."""
    try:
        return rows, native(rows)
    except ConversionError:
        kept = []
    for row in range(count_rows(rows)):
        one = take(rows, slice(row, row + 1))
        try:
            kept.append((one, native(one)))
        except ConversionError:
            continue
    return (join([one for one, _ in kept]), join([answers for _, answers in kept])) if kept else None
