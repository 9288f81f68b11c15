"""The proof finds graphs that answer otherwise, or that let rows of a batch touch each other."""

import json
from functools import partial

import numpy as np
import pytest
from onnx import helper

from converters import InputSpec, ParityError
from converters.differences import measure
from converters.drawing import draw_rows as draw_like
from converters.edge_rows import derive_edge_rows
from converters.graph import BOUNDED, UNBOUNDED, Graph
from converters.layout import arrange
from converters.normalisation import normalise
from converters.parity import compare
from converters.report import ParityReport
from converters.session import open_session, run
from converters.signature import Feeds
from converters.trial import try_native
from tests.converters.graphs import row_sums, summing
from tests.converters.samples import COLUMNS, DOUBLES, draw_rows

ROWS = draw_rows(1000)
TWO = InputSpec(("a", "b"), ("FP64", "FP64"))


def prove(graph: Graph, rows: np.ndarray = ROWS) -> ParityReport:
    feeds = {"input": rows}
    session = open_session(normalise(graph, DOUBLES, feeds)[0].SerializeToString())
    return compare(partial(run, session), try_native(graph.native, DOUBLES, feeds), DOUBLES, graph.tolerance)


def test_a_right_graph_passes() -> None:
    report = prove(summing())
    assert report.passed
    assert report.batch_invariant


def test_a_wrong_graph_fails_and_its_worst_rows_are_named() -> None:
    """This graph drops the sign of every value."""
    report = prove(summing(helper.make_node("Abs", ["input"], ["size"]), summed="size"))
    assert not report.passed
    tried = np.concatenate([ROWS, derive_edge_rows({"input": ROWS}, DOUBLES)["extreme"]["input"]])
    worst = report.worst[0]
    assert worst.inputs == dict(zip(COLUMNS, tried[worst.index], strict=True))
    assert worst.native == {"prediction": pytest.approx([tried[worst.index].sum()])}
    assert worst.onnx == {"prediction": pytest.approx([np.abs(tried[worst.index]).sum()])}


def test_a_graph_that_is_wrong_only_at_an_edge_fails() -> None:
    """Real rows have no exact zero, where this graph answers NaN: 0 divided by itself."""
    ratio = helper.make_node("Div", ["input", "input"], ["one"])
    report = prove(summing(ratio, helper.make_node("Mul", ["input", "one"], ["same"]), summed="same"))
    assert report.max_abs_diff == np.inf
    assert not report.passed


def test_a_row_that_depends_on_its_batch_fails() -> None:
    """This graph subtracts the mean of the batch."""
    mean = helper.make_node("ReduceMean", ["input", "zero"], ["mean"])
    report = prove(summing(mean, helper.make_node("Sub", ["input", "mean"], ["centred"]), summed="centred"))
    assert not report.batch_invariant
    assert "depends on its batch" in str(ParityError(report))


def test_a_graph_that_is_right_in_large_batches_alone_fails() -> None:
    def answer(feeds: Feeds) -> Feeds:
        sums = row_sums(feeds)["prediction"]
        return {"prediction": sums + 3 if len(sums) == 1 else sums}

    report = compare(answer, try_native(row_sums, DOUBLES, {"input": ROWS}), DOUBLES, BOUNDED)
    assert report.max_abs_diff == 0
    assert report.batch_max_abs_diff == pytest.approx(3)
    assert not report.passed


def test_missing_values_agree_with_missing_values_alone() -> None:
    gap, number = {"prediction": np.array([[np.nan]])}, {"prediction": np.array([[1.0]])}
    assert measure(gap, gap, UNBOUNDED).tolist() == [0]
    assert measure(gap, number, UNBOUNDED).tolist() == measure(number, gap, UNBOUNDED).tolist() == [np.inf]


def test_a_report_is_json_and_comes_back() -> None:
    report = prove(summing())
    assert json.loads(report.to_json())["passed"] is True
    assert ParityReport.from_json(report.to_json()) == report


def test_edges_are_tried_one_column_at_a_time() -> None:
    edges = derive_edge_rows({"input": np.array([[1.0, 10.0], [2.0, np.nan], [3.0, 30.0]])}, TWO)
    assert edges["extreme"]["input"].tolist() == [
        *([2, 20], [0, 20], [1, 20], [3, 20]),
        *([2, 0], [2, 10], [2, 30]),
    ]
    assert np.array_equal(edges["missing"]["input"], [[2, np.nan]], equal_nan=True)


def test_what_the_signature_lets_be_missing_is_tried() -> None:
    spec = InputSpec(("a", "b"), ("FP64", "FP64"), optional=frozenset({"a"}))
    edges = derive_edge_rows({"input": np.array([[1.0, 10.0], [3.0, 30.0]])}, spec)
    assert np.array_equal(edges["missing"]["input"], [[np.nan, 20]], equal_nan=True)


def test_texts_that_were_never_seen_are_tried() -> None:
    spec = InputSpec(("colour", "size"), ("BYTES", "INT64"))
    sample = arrange({"colour": ["red", "red", "green"], "size": [1, 2, 5]}, spec)
    unseen = derive_edge_rows(sample, spec)["unseen"]
    assert "" in unseen["colour"]
    assert not {"red", "green"} & set(unseen["colour"][:, 0])
    assert set(unseen["size"][:, 0]) == {2}


def test_a_label_may_differ_where_its_two_best_scores_tie_and_nowhere_else() -> None:
    native = {"label": np.array([[0], [0]]), "probabilities": np.array([[0.500001, 0.499999], [0.6, 0.4]])}
    other = native | {"label": np.array([[1], [1]])}
    assert measure(native, other, BOUNDED).tolist() == [0, np.inf]


def test_the_nearest_of_distances_decides() -> None:
    native = {"label": np.array([[0]]), "distances": np.array([[1.0, 5.0, 5.0]])}
    assert measure(native, native | {"label": np.array([[1]])}, UNBOUNDED).tolist() == [np.inf]


def test_drawn_rows_keep_categories_and_move_measures() -> None:
    sample = arrange(np.column_stack([np.arange(100) % 3, np.linspace(0.013, 9, 100)]), TWO)
    drawn = draw_like(500, TWO, sample)["input"]
    assert set(drawn[:, 0]) == {0, 1, 2}
    assert not set(drawn[:, 1]) & set(sample["input"][:, 1])
    assert np.array_equal(drawn, draw_like(500, TWO, sample)["input"])
