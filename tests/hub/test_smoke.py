"""A node's answers are compared with those of the graph that was proven."""

import json
from dataclasses import replace

import numpy as np
import pytest
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression

from hub.publishing.smoke import Probe, make_probe
from tests.hub.workplace import draw_table

SCORES = np.array([[0.25], [0.5]], dtype=np.float32)


def probe(*, relative: bool = False) -> Probe:
    return Probe("input", np.zeros((2, 1)), {"label": np.array([[0], [1]]), "scores": SCORES}, 1e-5, relative)


def test_equal_answers_agree_and_so_do_those_to_the_first_rows() -> None:
    assert probe().difference(dict(probe().answers)) is None
    assert probe().difference({name: answer[:1] for name, answer in probe().answers.items()}) is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scores": SCORES + np.float32(2e-5)}, "scores differs by up to 2e-05 (allowed 1e-05)"),
        ({"scores": SCORES * np.float32(np.nan)}, "scores differs by up to nan"),
        ({"scores": SCORES.astype(np.float64)}, "scores has shape [2, 1] of float64"),
        ({"scores": SCORES[:, 0]}, "scores has shape [2] of float32"),
        ({"more": SCORES}, "it answers label, more, scores"),
    ],
)
def test_other_answers_are_told_apart(changes: dict[str, np.ndarray], words: str) -> None:
    assert words in str(probe().difference(dict(probe().answers) | changes))


def test_a_relative_tolerance_grows_with_the_answer() -> None:
    large = {"scores": SCORES * 1000}
    off = {"scores": SCORES * 1000 + np.float32(1e-3)}
    assert replace(probe(relative=True), answers=large).difference(off) is None
    assert replace(probe(), answers=large).difference(off) is not None


def test_a_probe_holds_the_first_rows_and_the_graphs_answers() -> None:
    rows = draw_table().to_numpy()
    model = LogisticRegression().fit(rows, rows[:, 0] > 0)
    graph = to_onnx(model, rows[:1].astype(np.float32), options={"zipmap": False}).SerializeToString()
    made = make_probe(graph, json.dumps({"tolerance": 1e-5, "relative": False}).encode(), rows)
    assert (made.rows.shape, made.rows.dtype) == ((256, 2), np.dtype(np.float32))
    assert np.abs(made.answers["probabilities"] - model.predict_proba(rows[:256])).max() < 1e-5
