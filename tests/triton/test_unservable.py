"""A model that cannot be served says why, and leaves the others alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from onnx import ModelProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression
from tritonclient.grpc import service_pb2

from tests.triton.calls import infer
from tests.triton.nodes import running_node, stub_of
from tests.triton.repositories import Port, graph_of, write_model, write_sums

X, Y = Port("x", "FP32", (2,)), Port("y", "FP32", (2,))
FAULTS = {
    "zipmap": "output 'output_probability' is seq(map(int64,tensor(float))) in the graph, but TYPE_FP32 in ",
    "custom_op": "ONNX Runtime cannot load model.onnx: ",
    "external_data": "ONNX Runtime cannot load model.onnx: ",
    "no_file": "ONNX Runtime cannot load model.onnx: ",
    "no_output": "the graph has no output 'z', only ['y']",
    "no_input": "the graph has no input 'w', only ['x']",
    "more_inputs": "the graph needs the inputs ['x2'], which config.pbtxt does not name",
    "datatype": "input 'x' is tensor(float) in the graph, but TYPE_FP64 in config.pbtxt",
    "dims": "input 'x' is [-1, 2] in the graph, but with rows first [-1, 3] in config.pbtxt",
    "rank": "input 'x' is [-1, 2] in the graph, but with rows first [-1, 2, 1] in config.pbtxt",
    "fixed_rows": "input 'x' is [1, 2] in the graph, but with rows first [-1, 2] in config.pbtxt",
    "unbatched_dims": "output 'y' is [2] in the graph, but [3] in config.pbtxt",
}


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A node whose repository holds one good model and every fault."""
    folder = tmp_path_factory.mktemp("node")
    write_faults(folder / "models")
    write_sums(folder / "models")
    with running_node(folder / "models", folder) as node, stub_of(node.address) as found:
        yield found


def identity(leading: tuple[int | None, ...] = (None,)) -> ModelProto:
    return graph_of([helper.make_node("Identity", ["x"], ["y"])], [X], [Y], leading)


def write_faults(repository: Path) -> None:
    write_model(
        repository, "zipmap", zipmapped(), [Port("X", "FP32", (2,))], [Port("output_probability", "FP32", (2,))]
    )
    custom = graph_of([helper.make_node("Mystery", ["x"], ["y"], domain="made.up")], [X], [Y])
    write_model(repository, "custom_op", custom, [X], [Y])
    write_model(repository, "external_data", with_external_data(), [X], [Y])
    write_model(repository, "no_file", identity(), [X], [Y])
    (repository / "no_file/1/model.onnx").unlink()
    write_model(repository, "no_output", identity(), [X], [Port("z", "FP32", (2,))])
    write_model(repository, "no_input", identity(), [Port("w", "FP32", (2,))], [Y])
    x2 = Port("x2", "FP32", (2,))
    added = graph_of([helper.make_node("Add", ["x", "x2"], ["y"])], [X, x2], [Y])
    write_model(repository, "more_inputs", added, [X], [Y])
    write_model(repository, "datatype", identity(), [Port("x", "FP64", (2,))], [Y])
    write_model(repository, "dims", identity(), [Port("x", "FP32", (3,))], [Y])
    write_model(repository, "rank", identity(), [Port("x", "FP32", (2, 1))], [Y])
    write_model(repository, "fixed_rows", identity((1,)), [X], [Y])
    write_model(repository, "unbatched_dims", identity(()), [X], [Port("y", "FP32", (3,))], max_batch_size=0)


def zipmapped() -> ModelProto:
    rows = np.array([[0, 1], [1, 0]], dtype=np.float32)
    graph: ModelProto = to_onnx(LogisticRegression().fit(rows, [0, 1]), rows, target_opset={"": 21, "ai.onnx.ml": 3})
    return graph


def with_external_data() -> ModelProto:
    weights = numpy_helper.from_array(np.ones(2, dtype=np.float32), "weights")
    graph = graph_of([helper.make_node("Add", ["x", "weights"], ["y"])], [X], [Y], constants=[weights])
    set_external_data(graph.graph.initializer[0], "weights.bin")
    graph.graph.initializer[0].ClearField("raw_data")
    return graph


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_told_in_full(stub: Any, name: str) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        stub.RepositoryModelLoad(service_pb2.RepositoryModelLoadRequest(model_name=name))
    assert f"model '{name}' version 1 cannot be served: {FAULTS[name]}" in (raised.value.details() or "")


def test_other_models_serve(stub: Any) -> None:
    answer = infer(stub, "sums", {"x": np.array([[1.0, 2.0]])})
    assert answer["sum"].tolist() == [[3.0]]
