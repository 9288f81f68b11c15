"""Adds to the graph of a LightGBM model what each column contributes to its score, as `pred_contrib` has it."""

from dataclasses import replace
from typing import Any

import numpy as np
from lightgbm import LGBMModel
from onnx import TensorProto, helper

from converters.ensemble import describe_doubles
from converters.errors import ConversionError
from converters.graph import CONTRIBUTIONS, Graph
from converters.lightgbm_trees import read_counts, read_trees
from converters.rewiring import fresh
from converters.shapley import explain
from converters.signature import MATRIX, Feeds, InputSpec
from converters.tables import to_matrix


def add_contributions(graph: Graph, model: Any, inputs: InputSpec) -> Graph:
    """Returns the graph with one more output, the contributions `[rows, columns]`.

    With the model's expected value, they add up to the sum of its trees: log-odds where two classes are told apart.

    Raises:
        ConversionError: The model has a sum for each class, or its trees are too large.
    """
    booster = model.booster_ if isinstance(model, LGBMModel) else model
    if booster.num_model_per_iteration() > 1:
        raise ConversionError(
            "contributions are those to one score, and the model has one for each class: train it on two classes, or"
            " leave contributions out of its metadata"
        )
    dumped = booster.dump_model()
    trees = explain(zip(read_trees(dumped), read_counts(dumped), strict=True))
    _append(graph, describe_doubles(trees, np.zeros(booster.num_feature())))

    def answer(feeds: Feeds) -> Feeds:
        contributions = model.predict(to_matrix(feeds, inputs), pred_contrib=True)
        return {**graph.native(feeds), CONTRIBUTIONS: contributions[:, :-1]}  # the last one is the expected value

    names = {} if inputs.shapes else {CONTRIBUTIONS: inputs.columns}
    return replace(graph, native=answer, outputs=(*graph.outputs, CONTRIBUTIONS), columns={**graph.columns, **names})


def _append(graph: Graph, how: dict[str, Any]) -> None:
    answer = fresh(graph.model.graph, CONTRIBUTIONS)
    node = helper.make_node("TreeEnsembleRegressor", [MATRIX], [answer], domain="ai.onnx.ml", **how)
    graph.model.graph.node.append(node)
    graph.model.graph.output.append(helper.make_tensor_value_info(answer, TensorProto.FLOAT, [None, None]))
