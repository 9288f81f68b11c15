"""Graphs that others made: of strange shapes, types and names, which are served, and some that cannot be.

NumPy says what they answer. A tensor that is served has one dimension at least, and two where the first is the batch.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import onnx
from onnx import TensorProto
from onnx.helper import make_graph, make_model, make_node, make_opsetid, make_tensor_sequence_value_info
from onnx.numpy_helper import from_array
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.linear_model import LogisticRegression

from converters.quiet import quietly
from tests.converters.graphs import INT64, TEXT, model_of, value
from tests.converters.samples import draw_rows
from tests.e2e.kinds import Kind, Kinds, column

BOOL, HALF = TensorProto.BOOL, TensorProto.FLOAT16
RANDOM = np.random.default_rng(0)
SINGLES = RANDOM.normal(size=(5, 3)).astype(np.float32)
WEIGHTS = RANDOM.normal(size=(3, 2)).astype(np.float32)
TEXTS = ["ÄRGER", "", "MIXED 亀 🐢"]


def names() -> Kind:
    """Names as TensorFlow gives them, and worse."""
    first, second, answer = "a:0", 'scope/"b"\\é:1', "y:0"
    model = model_of(
        [make_node("Sub", [first, second], [answer])],
        [value(first, ["n", 3]), value(second, ["n", 3])],
        [value(answer, ["n", 3])],
    )
    return Kind("onnx", model, {first: SINGLES, second: SINGLES[::-1].copy()}, {answer: SINGLES - SINGLES[::-1]})


def scalars() -> Kind:
    """There are no batches: which row a scalar belongs to, nobody could say."""
    nodes = [make_node("Mul", ["x", "k"], ["y"]), make_node("ReduceSum", ["y"], ["sum"], keepdims=0)]
    model = model_of(nodes, [value("x", ["n", 3]), value("k", [])], [value("y", ["n", 3]), value("sum", [])])
    answer = SINGLES * np.float32(2.5)
    inputs = {"x": SINGLES, "k": np.array([2.5], dtype=np.float32)}
    return Kind("onnx", model, inputs, {"y": answer, "sum": answer.sum().reshape(1)})


def wide() -> Kind:
    """Rows of any width."""
    model = model_of(
        [make_node("Concat", ["x", "x"], ["y"], axis=1)], [value("x", ["n", "k"])], [value("y", ["n", "2*k"])]
    )
    return Kind("onnx", model, {"x": SINGLES}, {"y": np.hstack([SINGLES, SINGLES])})


def texts() -> Kind:
    lower = make_node("StringNormalizer", ["x"], ["y"], case_change_action="LOWER")
    model = model_of([lower], [value("x", ["n"], TEXT)], [value("y", ["n"], TEXT)])
    return Kind("onnx", model, {"x": column(TEXTS)}, {"y": column([text.lower() for text in TEXTS])})


def halves() -> Kind:
    rows, weights = SINGLES.astype(np.float16), WEIGHTS.astype(np.float16)
    model = model_of(
        [make_node("MatMul", ["x", "w"], ["y"])],
        [value("x", ["n", 3], HALF)],
        [value("y", ["n", 2], HALF)],
        {"w": weights},
    )
    return Kind("onnx", model, {"x": rows}, {"y": rows @ weights}, tolerance=1e-2)


def types() -> Kind:
    """Whole numbers and truth values; rows of two dimensions."""
    nodes = [make_node("Gather", ["w", "i"], ["y"]), make_node("Not", ["yes"], ["no"])]
    model = model_of(
        nodes,
        [value("i", ["n", 2], INT64), value("yes", ["n", 1], BOOL)],
        [value("y", ["n", 2, 2]), value("no", ["n", 1], BOOL)],
        {"w": WEIGHTS},
    )
    places, yes = np.array([[0, 2], [1, 1]]), np.array([[True], [False]])
    return Kind("onnx", model, {"i": places, "yes": yes}, {"y": WEIGHTS[places], "no": ~yes})


def old() -> Kind:
    """An exporter of 2018 lists weights among the inputs."""
    body = make_graph(
        [make_node("MatMul", ["x", "w"], ["y"])],
        "old",
        [value("x", ["n", 3]), value("w", [3, 2])],
        [value("y", ["n", 2])],
        [from_array(WEIGHTS, "w")],
    )
    model = make_model(body, opset_imports=[make_opsetid("", 8)], ir_version=3)
    return Kind("onnx", model, {"x": SINGLES}, {"y": SINGLES @ WEIGHTS})


def maps() -> Kind:
    """A classifier as skl2onnx writes it by default: it answers a map for each row."""
    rows = draw_rows(200).astype(np.float32)
    trained = LogisticRegression().fit(rows, np.where(rows[:, 1] > 0, "good", "bad"))
    with quietly():  # skl2onnx hands what protobuf grumbles about
        model = to_onnx(
            trained, initial_types=[("x", FloatTensorType([None, 4]))], target_opset={"": 21, "ai.onnx.ml": 3}
        )
    answers = {"output_label": column(trained.predict(rows)), "output_probability": trained.predict_proba(rows)}
    return Kind("onnx", model, {"x": rows}, answers)


def unservable(model: onnx.ModelProto) -> Kind:
    """Returns a graph that nobody gets to call."""
    return Kind("onnx", model, {}, {})


def unary(operator: str) -> Kind:
    node = make_node(operator, ["x"], ["y"])
    return unservable(model_of([node], [value("x", ["n", 3])], [value("y", ["n", 3])]))


def sequence() -> Kind:
    model = model_of([make_node("SplitToSequence", ["x"], ["y"], axis=1)], [value("x", ["n", 3])], [])
    model.graph.output.append(make_tensor_sequence_value_info("y", TensorProto.FLOAT, None))
    return unservable(model)


def brain_floats() -> Kind:
    cast = make_node("Cast", ["x"], ["y"], to=TensorProto.BFLOAT16)
    return unservable(model_of([cast], [value("x", ["n", 3])], [value("y", ["n", 3], TensorProto.BFLOAT16)]))


def by_value() -> Kind:
    places = make_node("NonZero", ["x"], ["y"])
    return unservable(model_of([places], [value("x", ["n", 3])], [value("y", [2, "k"], INT64)]))


def passed_through() -> Kind:
    """One tensor is input and output."""
    return unservable(
        model_of([make_node("Neg", ["x"], ["y"])], [value("x", ["n", 3])], [value("y", ["n", 3]), value("x", ["n", 3])])
    )


FOREIGN: Kinds = {
    "names": names,
    "scalars": scalars,
    "wide": wide,
    "texts": texts,
    "halves": halves,
    "types": types,
    "old": old,
    "maps": maps,
}

# With a part of the reason.
UNSERVABLE: dict[str, tuple[Callable[[], Kind], str]] = {
    "sequence": (sequence, "'y' is a sequence, which cannot be served: let the graph end in tensors"),
    "brain_floats": (brain_floats, "'y' holds BFLOAT16, which cannot be served: cast it inside the graph"),
    "divination": (partial(unary, "Divination"), "has operators that ONNX does not define: Divination"),
    "chance": (partial(unary, "RandomNormalLike"), "the graph answers by chance (RandomNormalLike)"),
    "by_value": (by_value, "the shape of 'y' depends on the values of the inputs"),
    "passed_through": (passed_through, "input 'x' has the name of an output: rename it"),
}
