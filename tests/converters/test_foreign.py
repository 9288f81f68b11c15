"""Graphs that others made are served with the names that they have, or refused with the reason."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from catboost import CatBoostClassifier
from onnx import TensorProto
from onnx.helper import make_function, make_graph, make_node, make_opsetid, make_tensor_sequence_value_info
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.linear_model import LogisticRegression

from converters import MAX_BATCH_SIZE, ConversionError, TensorSpec, convert
from converters.quiet import quietly
from converters.session import open_session, run
from tests.converters.graphs import DOUBLE, INT64, TEXT, model_of, value
from tests.converters.samples import draw_rows, require_proof

WEIGHTS = {"w": np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)}


def specs(model: Any, sample: Any = None) -> tuple[int, list[TensorSpec], list[TensorSpec]]:
    conversion = convert(model, sample=sample)
    require_proof(conversion, conversion.report.tolerance)
    assert run(open_session(conversion.onnx), conversion.golden.inputs).keys() == conversion.golden.answers.keys()
    return conversion.max_batch_size, list(conversion.signature.inputs), list(conversion.signature.outputs)


def test_several_inputs_and_names_with_colons_stay() -> None:
    model = model_of(
        [make_node("Add", ["a:0", "b"], ["sum:0"])],
        [value("a:0", ["n", 3]), value("b", ["n", 3])],
        [value("sum:0", ["n", 3])],
    )
    inputs = [TensorSpec("a:0", "FP32", (3,)), TensorSpec("b", "FP32", (3,))]
    assert specs(model) == (MAX_BATCH_SIZE, inputs, [TensorSpec("sum:0", "FP32", (3,))])


def test_one_value_a_row_travels_as_a_column() -> None:
    model = model_of([make_node("Neg", ["a"], ["b"])], [value("a", ["n"])], [value("b", ["n"])])
    assert specs(model) == (MAX_BATCH_SIZE, [TensorSpec("a", "FP32", (1,))], [TensorSpec("b", "FP32", (1,))])


def test_scalars_travel_as_one_value_and_there_are_no_batches() -> None:
    model = model_of(
        [make_node("Mul", ["x", "k"], ["y"])], [value("x", ["n", 3]), value("k", [])], [value("y", ["n", 3])]
    )
    inputs = [TensorSpec("x", "FP32", (-1, 3)), TensorSpec("k", "FP32", (1,))]
    assert specs(model) == (0, inputs, [TensorSpec("y", "FP32", (-1, 3))])


def test_a_scalar_as_answer_travels_as_one_value() -> None:
    model = model_of([make_node("ReduceSum", ["x"], ["y"], keepdims=0)], [value("x", ["n", 3])], [value("y", [])])
    assert specs(model) == (0, [TensorSpec("x", "FP32", (-1, 3))], [TensorSpec("y", "FP32", (1,))])


def test_a_fixed_batch_is_a_whole_request() -> None:
    model = model_of([make_node("Relu", ["x"], ["y"])], [value("x", [2, 3, 4])], [value("y", [2, 3, 4])])
    assert specs(model) == (0, [TensorSpec("x", "FP32", (2, 3, 4))], [TensorSpec("y", "FP32", (2, 3, 4))])


def test_rows_that_touch_each_other_are_a_whole_request() -> None:
    nodes = [make_node("ReduceMean", ["x", "axis"], ["mean"]), make_node("Sub", ["x", "mean"], ["y"])]
    model = model_of(nodes, [value("x", ["n", 3])], [value("y", ["n", 3])], {"axis": np.array([0])})
    assert specs(model)[0] == 0


def test_first_dimensions_of_different_names_are_a_whole_request() -> None:
    model = model_of(
        [make_node("MatMul", ["x", "w"], ["y"])], [value("x", ["n", "k"]), value("w", ["k", 2])], [value("y", ["n", 2])]
    )
    assert specs(model)[:2] == (0, [TensorSpec("x", "FP32", (-1, -1)), TensorSpec("w", "FP32", (-1, 2))])


def test_dimensions_may_be_free_or_expressions() -> None:
    model = model_of(
        [make_node("Concat", ["x", "x"], ["y"], axis=1)], [value("x", ["n", "k"])], [value("y", ["n", "2*k"])]
    )
    assert specs(model) == (MAX_BATCH_SIZE, [TensorSpec("x", "FP32", (-1,))], [TensorSpec("y", "FP32", (-1,))])


def test_texts_are_served_where_only_the_c_locale_exists() -> None:
    model = model_of(
        [make_node("StringNormalizer", ["x"], ["y"], case_change_action="LOWER")],
        [value("x", ["n"], TEXT)],
        [value("y", ["n"], TEXT)],
    )
    assert [tensor.datatype for tensor in specs(model)[2]] == ["BYTES"]


def test_half_floats_are_served() -> None:
    half = TensorProto.FLOAT16
    model = model_of(
        [make_node("MatMul", ["x", "w"], ["y"])],
        [value("x", ["n", 3], half)],
        [value("y", ["n", 2], half)],
        {"w": WEIGHTS["w"].astype(np.float16)},
    )
    assert specs(model)[2] == [TensorSpec("y", "FP16", (2,))]


def test_truth_values_and_whole_numbers_are_served() -> None:
    nodes = [make_node("Gather", ["w", "i"], ["y"]), make_node("Greater", ["i", "zero"], ["z"])]
    outputs = [value("y", ["n", 2, 2]), value("z", ["n", 2], TensorProto.BOOL)]
    model = model_of(nodes, [value("i", ["n", 2], INT64)], outputs, WEIGHTS | {"zero": np.array(0)})
    assert [tensor.datatype for tensor in specs(model)[2]] == ["FP32", "BOOL"]


def test_branches_are_served() -> None:
    yes, no = (
        make_graph([make_node(kind, ["x"], [kind])], kind, [], [value(kind, ["n", 3])]) for kind in ("Neg", "Abs")
    )
    nodes = [make_node("ReduceSum", ["x"], ["s"], keepdims=0), make_node("Greater", ["s", "zero"], ["c"])]
    nodes.append(make_node("If", ["c"], ["y"], then_branch=yes, else_branch=no))
    model = model_of(nodes, [value("x", ["n", 3])], [value("y", ["n", 3])], {"zero": np.array(0, dtype=np.float32)})
    assert specs(model)[0] == 0


def test_maps_are_replaced_by_the_scores_behind_them() -> None:
    rows = draw_rows(200).astype(np.float32)
    trained = LogisticRegression().fit(rows, np.where(rows[:, 1] > 0, "good", "bad"))
    with quietly():  # skl2onnx hands what protobuf grumbles about
        model = to_onnx(
            trained, initial_types=[("x", FloatTensorType([None, 4]))], target_opset={"": 21, "ai.onnx.ml": 3}
        )
    assert model.graph.output[1].type.WhichOneof("value") == "sequence_type"
    outputs = [TensorSpec("output_label", "BYTES", (1,)), TensorSpec("output_probability", "FP32", (2,))]
    assert specs(model, rows)[2] == outputs


def test_a_graph_of_trees_alone_may_end_in_maps(tmp_path: Path) -> None:
    """CatBoost's declares no other operators than those of trees."""
    rows = draw_rows(200)
    path = tmp_path / "model.onnx"
    trained = CatBoostClassifier(iterations=5, verbose=0, allow_writing_files=False).fit(rows, (rows[:, 1] > 0) * 1)
    trained.save_model(str(path), format="onnx")
    assert specs(path, rows.astype(np.float32))[2][1] == TensorSpec("probabilities", "FP32", (2,))


def test_a_sample_of_one_value_a_row_is_a_list() -> None:
    model = model_of([make_node("Neg", ["a"], ["b"])], [value("a", ["n"])], [value("b", ["n"])])
    assert specs(model, {"a": np.arange(50, dtype=np.float32)})[0] == MAX_BATCH_SIZE


def test_weights_beside_the_file_go_into_it(tmp_path: Path) -> None:
    model = model_of([make_node("MatMul", ["x", "w"], ["y"])], [value("x", ["n", 3])], [value("y", ["n", 2])], WEIGHTS)
    path = tmp_path / "model.onnx"
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert specs(path)[0] == MAX_BATCH_SIZE
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(ConversionError, match="weights kept beside it must go with it"):
        convert(path)


def unary(kind: str, **how: Any) -> onnx.ModelProto:
    return model_of([make_node(kind, ["x"], ["y"], **how)], [value("x", ["n", 3])], [value("y", ["n", 3])])


def sequence() -> onnx.ModelProto:
    model = model_of([make_node("SplitToSequence", ["x"], ["y"], axis=1)], [value("x", ["n", 3])], [])
    model.graph.output.append(make_tensor_sequence_value_info("y", TensorProto.FLOAT, None))
    return model


def custom() -> onnx.ModelProto:
    model = unary("Oracle", domain="acme")
    model.opset_import.append(make_opsetid("acme", 1))
    return model


def dropping() -> onnx.ModelProto:
    constants = {"share": np.array(0.5, dtype=np.float32), "training": np.ones((), dtype=bool)}
    drop = make_node("Dropout", ["x", "share", "training"], ["y"])
    return model_of([drop], [value("x", ["n", 3])], [value("y", ["n", 3])], constants)


def dicing() -> onnx.ModelProto:
    """The dice are inside a function of the graph's own."""
    model = unary("Dice", domain="acme")
    dice = [make_node("RandomNormalLike", ["a"], ["b"])]
    model.functions.append(make_function("acme", "Dice", ["a"], ["b"], dice, [make_opsetid("", 21)]))
    model.opset_import.append(make_opsetid("acme", 1))
    return model


def by_value() -> onnx.ModelProto:
    return model_of([make_node("NonZero", ["x"], ["y"])], [value("x", ["n", 3])], [value("y", [2, "k"], INT64)])


def brain_floats() -> onnx.ModelProto:
    cast = make_node("Cast", ["x"], ["y"], to=TensorProto.BFLOAT16)
    return model_of([cast], [value("x", ["n", 3])], [value("y", ["n", 3], TensorProto.BFLOAT16)])


def frozen() -> onnx.ModelProto:
    reshape = make_node("Reshape", ["x", "shape"], ["y"])
    return model_of([reshape], [value("x", ["n", 3])], [value("y", [7, 3])], {"shape": np.array([7, 3])})


def mistyped() -> onnx.ModelProto:
    return model_of([make_node("Neg", ["x"], ["y"])], [value("x", ["n", 3], DOUBLE)], [value("y", ["n", 3])])


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (sequence(), "'y' is a sequence, which cannot be served"),
        (unary("Divination"), "operators that ONNX does not define: Divination"),
        (custom(), "acme:Oracle"),
        (unary("RandomNormalLike"), "answers by chance"),
        (dropping(), r"answers by chance \(Dropout\)"),
        (dicing(), r"answers by chance \(RandomNormalLike\)"),
        (by_value(), "depends on the values"),
        (brain_floats(), "'y' holds BFLOAT16"),
        (frozen(), "declares dimensions of any size and fails on 1"),
        (mistyped(), "cannot load the graph"),
    ],
    ids=["sequence", "unknown", "custom", "chance", "dropout", "function", "by value", "bfloat16", "frozen", "types"],
)
def test_what_cannot_be_served_is_refused(model: onnx.ModelProto, reason: str) -> None:
    with pytest.raises(ConversionError, match=reason):
        convert(model)


@pytest.mark.parametrize("content", [b"", b"no graph at all"])
def test_damaged_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(ConversionError, match="damaged|cannot be read"):
        convert(tmp_path / "model.onnx")
