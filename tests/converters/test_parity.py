"""The proof finds graphs that answer otherwise, or that let rows of a batch touch each other."""

import json

import numpy as np
import pytest
from onnx import helper

from converters import ConversionError, ParityError
from converters.edge_rows import derive_edge_rows
from converters.graph import Graph
from converters.normalisation import normalise
from converters.parity import ParityReport, compare
from tests.converters.graphs import summing
from tests.converters.samples import DOUBLES, draw_rows

ROWS = draw_rows(1000)


def prove(graph: Graph, rows: np.ndarray = ROWS) -> ParityReport:
    return compare(graph, normalise(graph, DOUBLES)[0].SerializeToString(), rows)


def test_a_right_graph_passes() -> None:
    report = prove(summing())
    assert report.passed
    assert report.batch_invariant


def test_a_wrong_graph_fails_and_its_worst_rows_are_named() -> None:
    """This graph drops the sign of every value."""
    report = prove(summing(helper.make_node("Abs", ["input"], ["size"]), summed="size"))
    assert not report.passed
    tried = np.concatenate([ROWS, derive_edge_rows(ROWS)])
    worst = report.worst[0]
    assert worst.native == pytest.approx((tried[worst.index].sum(),))
    assert worst.onnx == pytest.approx((np.abs(tried[worst.index]).sum(),))


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


def test_missing_values_agree_with_missing_values() -> None:
    rows = draw_rows(1000, missing=True)
    assert prove(summing(), rows).max_abs_diff < 1e-9


def test_a_proof_needs_rows() -> None:
    with pytest.raises(ConversionError, match="no rows"):
        prove(summing(), ROWS[:0])


def test_a_report_is_json() -> None:
    report = json.loads(prove(summing()).to_json())
    assert report["passed"] is True
    assert report["rows"] == 1000 + report["edge_rows"]


def test_edges_are_tried_one_column_at_a_time() -> None:
    rows = np.array([[1.0, 10.0], [2.0, np.nan], [3.0, 30.0]])
    edges = derive_edge_rows(rows)
    assert [list(edge) for edge in edges[:-1]] == [
        *([2, 10], [0, 10], [1, 10], [3, 10]),
        *([2, 0], [2, 10], [2, 30]),
    ]
    assert np.isnan(edges[-1][1])


def test_a_column_without_any_value_has_edges_too() -> None:
    edges = derive_edge_rows(np.array([[1.0, np.nan], [2.0, np.nan]]))
    assert [edge[1] for edge in edges[-2:-1]] == [0.0]
