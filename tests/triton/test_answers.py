"""Models that run in a real tritonserver through our backend answer as ONNX Runtime does in this process."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from sklearn.ensemble import GradientBoostingClassifier
from tritonclient.grpc import service_pb2

from tests.triton.calls import infer
from tests.triton.nodes import running_node, stub_of
from tests.triton.repositories import GATHERING, Port, graph_of, write_model, write_sums

CALLERS = 64
ROWS = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
TYPED: dict[str, NDArray[Any]] = {
    "BOOL": np.array([[True, False], [False, True]]),
    **{
        f"{kind}{bits}": np.array([[0, 1], [2, 2 ** (bits - 1) - 1]], dtype=f"{kind.lower()}{bits}")
        for kind in ("INT", "UINT")
        for bits in (8, 16, 32, 64)
    },
    "FP16": np.array([[0.5, -1], [np.inf, 2]], dtype=np.float16),
    "FP32": np.array([[0.1, -1], [np.nan, 2]], dtype=np.float32),
    "FP64": np.array([[0.1, -1], [1e300, 2]], dtype=np.float64),
    "STRING": np.array([["", "plain"], ["żółw", "亀"]], dtype=np.object_),
}


@pytest.fixture(scope="module")
def boosted() -> ModelProto:
    """A classifier whose labels are one number per row, without a dimension of their own."""
    labels = (ROWS.sum(axis=1) > 0).astype(int)
    model = GradientBoostingClassifier(n_estimators=10, random_state=0).fit(ROWS, labels)
    graph: ModelProto = to_onnx(model, ROWS[:1], options={"zipmap": False}, target_opset={"": 21, "ai.onnx.ml": 3})
    return graph


@pytest.fixture(scope="module")
def stub(boosted: ModelProto, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A node that serves the models of this module."""
    folder = tmp_path_factory.mktemp("node")
    repository = folder / "models"
    write_boosted(repository, boosted)
    write_types(repository)
    write_unbatched(repository)
    write_picky(repository)
    write_shrinking(repository)
    write_shouting(repository)
    write_sums(repository, more=GATHERING)
    with running_node(repository, folder) as node, stub_of(node.address) as found:
        yield found


def write_boosted(repository: Path, graph: ModelProto) -> None:
    inputs, outputs = [Port("X", "FP32", (5,))], [Port("probabilities", "FP32", (2,))]
    label = 'output { name: "label" data_type: TYPE_INT64 dims: 1 reshape { shape: [] } }'
    threads = 'parameters { key: "intra_op_thread_count" value { string_value: "2" } }'
    write_model(repository, "boosted", graph, inputs, outputs, more=label + threads)


def write_types(repository: Path) -> None:
    inputs = [Port(f"in_{datatype}", datatype, (2,)) for datatype in TYPED]
    outputs = [Port(f"out_{datatype}", datatype, (2,)) for datatype in TYPED]
    nodes = [helper.make_node("Identity", [f"in_{datatype}"], [f"out_{datatype}"]) for datatype in TYPED]
    write_model(repository, "types", graph_of(nodes, inputs, outputs), inputs, outputs)


def write_unbatched(repository: Path) -> None:
    inputs, outputs = [Port("x", "FP32", (2, -1))], [Port("y", "FP32", (-1, 2))]
    graph = graph_of([helper.make_node("Transpose", ["x"], ["y"])], inputs, outputs, leading=())
    write_model(repository, "unbatched", graph, inputs, outputs, max_batch_size=0)


def write_picky(repository: Path) -> None:
    """Fails for a `place` outside -4..3."""
    inputs, outputs = [Port("place", "INT64", (1,))], [Port("found", "FP32", (1,))]
    shelf = helper.make_tensor("shelf", TensorProto.FLOAT, [4], [10, 11, 12, 13])
    nodes = [helper.make_node("Gather", ["shelf", "place"], ["found"])]
    write_model(
        repository, "picky", graph_of(nodes, inputs, outputs, constants=[shelf]), inputs, outputs, more=GATHERING
    )


def write_shrinking(repository: Path) -> None:
    """Answers one row, however many came."""
    inputs, outputs = [Port("x", "FP32", (2,))], [Port("y", "FP32", (2,))]
    first = helper.make_tensor("first", TensorProto.BOOL, [1], [True])
    nodes = [helper.make_node("Compress", ["x", "first"], ["y"], axis=0)]
    write_model(repository, "shrinking", graph_of(nodes, inputs, outputs, constants=[first]), inputs, outputs)


def write_shouting(repository: Path) -> None:
    """Appends an exclamation mark."""
    inputs, outputs = [Port("said", "STRING", (1,))], [Port("shouted", "STRING", (1,))]
    mark = numpy_helper.from_array(np.array(["!"], dtype=np.object_), "mark")
    nodes = [helper.make_node("StringConcat", ["said", "mark"], ["shouted"])]
    write_model(repository, "shouting", graph_of(nodes, inputs, outputs, constants=[mark]), inputs, outputs)


def test_boosted_trees_answer_to_the_bit_as_in_this_process(stub: Any, boosted: ModelProto) -> None:
    session = onnxruntime.InferenceSession(boosted.SerializeToString(), providers=["CPUExecutionProvider"])
    labels, probabilities = session.run(["label", "probabilities"], {"X": ROWS})

    answer = infer(stub, "boosted", {"X": ROWS})

    assert np.array_equal(answer["probabilities"], probabilities)
    assert np.array_equal(answer["label"], labels[:, np.newaxis])


def test_every_datatype_passes_unchanged_in_one_call(stub: Any) -> None:
    answer = infer(stub, "types", {f"in_{datatype}": tensor for datatype, tensor in TYPED.items()})
    for datatype, tensor in TYPED.items():
        expected = encoded(tensor) if datatype == "STRING" else tensor
        np.testing.assert_array_equal(answer[f"out_{datatype}"], expected, err_msg=datatype, strict=True)


def test_only_requested_outputs_are_answered(stub: Any) -> None:
    inputs = {f"in_{datatype}": tensor for datatype, tensor in TYPED.items()}
    assert infer(stub, "types", inputs, ["out_FP16", "out_BOOL"]).keys() == {"out_FP16", "out_BOOL"}


def test_bytes_that_are_no_text_become_replacement_characters(stub: Any) -> None:
    answer = infer(stub, "shouting", {"said": np.array([[b"a\xff"], ["ł".encode()]], dtype=np.object_)})
    assert answer["shouted"].tolist() == [["a\ufffd!".encode()], ["ł!".encode()]]


def test_model_without_rows_takes_tensors_of_any_allowed_shape(stub: Any) -> None:
    tensor = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.array_equal(infer(stub, "unbatched", {"x": tensor})["y"], tensor.T)


def test_concurrent_callers_get_their_own_rows_out_of_merged_runs(stub: Any) -> None:
    before = executions(stub, "sums")
    generator = np.random.default_rng(1)
    calls = [generator.integers(0, 1000, (1 + n % 3, 2 + n % 2)).astype(np.float64) for n in range(CALLERS * 4)]

    with ThreadPoolExecutor(CALLERS) as callers:
        answers = list(callers.map(lambda rows: infer(stub, "sums", {"x": rows})["sum"], calls))

    for rows, answer in zip(calls, answers, strict=True):
        assert np.array_equal(answer, rows.sum(axis=1, keepdims=True))
    assert executions(stub, "sums") - before < len(calls) / 2


def test_call_that_fails_spoils_none_of_those_it_was_merged_with(stub: Any) -> None:
    before = executions(stub, "picky")
    places = [99 if n % 8 == 5 else n % 4 for n in range(CALLERS)]

    def call(place: int) -> float | str:
        try:
            return float(infer(stub, "picky", {"place": np.array([[place]])})["found"][0, 0])
        except grpc.RpcError as error:
            return error.details() or ""

    with ThreadPoolExecutor(CALLERS) as callers:
        answers = list(callers.map(call, places))

    for place, answer in zip(places, answers, strict=True):
        if place == 99:
            assert str(answer).startswith("model 'picky' version 1 failed: [ONNXRuntimeError]"), answer
        else:
            assert answer == 10 + place
    assert executions(stub, "picky") - before < len(places) / 2


def test_answer_with_other_rows_than_came_is_an_error(stub: Any) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        infer(stub, "shrinking", {"x": np.zeros((3, 2), dtype=np.float32)})
    assert raised.value.details() == "model 'shrinking' version 1 answered 'y' of shape [1, 2] for 3 rows of [2]"


def executions(stub: Any, model: str) -> int:
    """Counts how often the backend was handed requests of a model."""
    request = service_pb2.ModelStatisticsRequest(name=model)
    count: int = stub.ModelStatistics(request).model_stats[0].execution_count
    return count


def encoded(texts: NDArray[Any]) -> NDArray[Any]:
    """Returns texts as bytes."""
    return np.array([text.encode() for text in texts.ravel()], dtype=np.object_).reshape(texts.shape)
