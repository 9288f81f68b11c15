"""A node's answers are compared with those of the original model."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from converters import Golden
from hub.errors import ModelRefusedError
from hub.nodes.node import Arrays
from hub.publishing.smoke import try_out

SCORES = np.array([[0.25, 0.75], [0.5, 0.5]], dtype=np.float32)
LABELS = np.array([[1], [0]])
GOLDEN = Golden(
    inputs={"input": np.zeros((2, 1))},
    answers={"label": LABELS, "probabilities": SCORES},
    tolerance=1e-5,
    relative=False,
)


@dataclass
class Node:
    """Answers as it was told, as many rows as it is asked.

    Attributes:
        answers: Its answers to all rows.
        asked: Shapes of what it was asked.
    """

    answers: Arrays
    batched: bool = True
    address: str = "node:8001"
    asked: list[tuple[int, ...]] = field(default_factory=list)

    def infer(self, model: str, version: int, inputs: Arrays) -> Arrays:
        assert (model, version) == ("team1_colours", 7)
        rows = next(iter(inputs.values())).shape
        self.asked.append(rows)
        return {name: array[: rows[0]] if self.batched else array for name, array in self.answers.items()}

    def ready(self) -> Mapping[str, frozenset[int]]:
        raise NotImplementedError

    def load(self, model: str) -> None:
        raise NotImplementedError

    def unload(self, model: str) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


def ask(changes: Arrays, golden: Golden = GOLDEN) -> Node:
    node = Node(dict(golden.answers) | dict(changes), golden.batched)
    try_out(node, "team1_colours", 7, golden)
    return node


def test_equal_answers_pass_alone_and_together() -> None:
    assert ask({}).asked == [(1, 1), (2, 1)]


def test_a_model_without_batches_is_asked_once() -> None:
    golden = Golden({"x": np.zeros((3, 2)), "k": np.ones(1)}, {"y": np.ones((3, 2), np.float32)}, 1e-4, True, False)  # noqa: FBT003
    assert ask({}, golden).asked == [(3, 2)]
    with pytest.raises(ModelRefusedError, match="y differs"):
        ask({"y": np.full((3, 2), 1.1, np.float32)}, golden)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"probabilities": SCORES + np.float32(2e-5)}, "probabilities differs by up to 2e-05 (allowed 1e-05)"),
        ({"probabilities": SCORES * np.float32(np.nan)}, "probabilities is NaN where the model's is not"),
        (
            {"probabilities": SCORES.astype(np.float64)},
            "probabilities has shape [1, 2] of float64, not [1, 2] of float32",
        ),
        ({"probabilities": SCORES[:, 0]}, "probabilities has shape [1] of float32"),
        ({"label": 1 - LABELS}, "the label of row 0 differs"),
        ({"more": SCORES}, "it answers label, more, probabilities instead of label, probabilities"),
    ],
)
def test_other_answers_are_refused(changes: Arrays, words: str) -> None:
    with pytest.raises(ModelRefusedError) as refused:
        ask(changes)
    assert str(refused.value).startswith("node node:8001 answers otherwise than the model: ")
    assert words in str(refused.value)


def test_a_wrong_answer_to_a_later_row_is_found() -> None:
    with pytest.raises(ModelRefusedError, match="probabilities differs"):
        ask({"probabilities": SCORES + np.array([[0], [1e-3]], dtype=np.float32)})


def test_a_label_may_differ_where_its_scores_tie() -> None:
    ask({"label": np.array([[1], [1]])})


def test_texts_may_come_as_bytes() -> None:
    golden = replace(GOLDEN, answers={"label": np.array([["öst"], ["west"]], dtype=object), "probabilities": SCORES})
    ask({"label": np.array([["öst".encode()], [b"west"]], dtype=object)}, golden)
    with pytest.raises(ModelRefusedError, match="the label of row 0"):
        ask({"label": np.array([[b"ost"], [b"west"]], dtype=object)}, golden)


def test_missing_answers_that_the_model_has_too_pass() -> None:
    golden = replace(GOLDEN, answers={"prediction": np.array([[np.nan], [1.0]])})
    assert ask({}, golden).asked


def test_a_relative_tolerance_grows_with_the_answer() -> None:
    large = replace(GOLDEN, relative=True, answers={"prediction": np.array([[1e6], [2e6]])})
    ask({"prediction": np.array([[1e6 + 5], [2e6]])}, large)
    with pytest.raises(ModelRefusedError, match="prediction differs"):
        ask({"prediction": np.array([[1e6 + 5], [2e6]])}, replace(large, relative=False))
