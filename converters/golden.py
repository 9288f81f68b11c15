"""Real rows with their right answers, for whoever wants to know whether a served copy answers as the model does."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.graph import Native, Tolerance
from converters.layout import count_rows, take
from converters.trial import Trial

_MOST_ROWS = 64
_INPUT, _ANSWER, _SETTINGS = "input", "answer", "settings"


@dataclass(frozen=True, slots=True)
class Golden:
    """Rows whose answers are known.

    Attributes:
        inputs: `[rows, …]` by tensor name, up to 64 rows, real ones first; texts are objects.
        answers: Every output: what the native model answers where it has that output, else what the proven graph does.
        tolerance: Largest difference that passes.
        relative: Whether the tolerance is a share of the answer, at least of 1.
        batched: Whether the first dimension is the batch; if not, the tensors are one request.
    """

    inputs: Mapping[str, NDArray[Any]]
    answers: Mapping[str, NDArray[Any]]
    tolerance: float
    relative: bool
    batched: bool = True

    def to_npz(self) -> bytes:
        """Returns the rows as NumPy's archive of arrays, texts as UTF-8; the same rows give the same bytes."""
        arrays = {f"{_INPUT}:{name}": _encode(array) for name, array in self.inputs.items()}
        arrays |= {f"{_ANSWER}:{name}": _encode(array) for name, array in self.answers.items()}
        settings = {
            "tolerance": self.tolerance,
            "relative": self.relative,
            "batched": self.batched,
        }
        arrays[_SETTINGS] = np.array(json.dumps(settings))
        content = io.BytesIO()
        np.savez_compressed(content, **arrays)  # type: ignore[arg-type] # the names are ours
        return content.getvalue()

    @classmethod
    def from_npz(cls, content: bytes) -> "Golden":
        """Reads what `to_npz` returned."""
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            settings = json.loads(str(archive[_SETTINGS]))
            found = {name: _decode(archive[name]) for name in archive.files if name != _SETTINGS}
        return cls(
            inputs=_having(found, _INPUT),
            answers=_having(found, _ANSWER),
            tolerance=settings["tolerance"],
            relative=settings["relative"],
            batched=settings["batched"],
        )


def pick_golden(trial: Trial, answer: Native, tolerance: Tolerance, *, batched: bool) -> Golden:
    """Picks the first rows of a trial, or its first request.

    Args:
        trial: Rows, real ones first, with the native answers.
        answer: The proven graph, which decides types and shapes.
        tolerance: How far other answers may lie apart.
        batched: Whether rows share a request.
    """
    rows = take(trial.rows, slice(_MOST_ROWS if batched else 1))
    native = take(trial.answers, slice(count_rows(rows)))
    answers = {name: _shaped(native.get(name, found), found) for name, found in answer(rows).items()}
    if not batched:
        return Golden(take(rows, 0), take(answers, 0), tolerance.value, tolerance.relative, batched=False)
    return Golden(rows, answers, tolerance.value, tolerance.relative)


def _shaped(native: NDArray[Any], like: NDArray[Any]) -> NDArray[Any]:
    return native.reshape(like.shape).astype(like.dtype)


def _encode(array: NDArray[Any]) -> NDArray[Any]:
    """Texts lose nothing as bytes: a final mark keeps zeros at their end."""
    if array.dtype != object:
        return array
    texts = [each if isinstance(each, bytes) else str(each).encode() for each in array.ravel()]
    return np.array([text + b"\x01" for text in texts], dtype="S").reshape(array.shape)


def _decode(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.kind != "S":
        return array
    return np.array([text[:-1].decode() for text in array.ravel().tolist()], dtype=object).reshape(array.shape)


def _having(found: Mapping[str, NDArray[Any]], kind: str) -> dict[str, NDArray[Any]]:
    return {name.partition(":")[2]: array for name, array in found.items() if name.partition(":")[0] == kind}
