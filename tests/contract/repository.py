"""The models of the contract suite: small graphs, a repository in Triton's layout, and the catalog that names them."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from erpml.catalog.v1 import catalog_pb2
from google.protobuf import text_format
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, checker, helper, numpy_helper
from tritonclient.grpc import model_config_pb2

from hub.triton_config import compose_config

# KServe v2 datatype -> ONNX element type.
ONNX_TYPES = {
    "BOOL": TensorProto.BOOL,
    "INT8": TensorProto.INT8,
    "INT16": TensorProto.INT16,
    "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64,
    "UINT8": TensorProto.UINT8,
    "UINT16": TensorProto.UINT16,
    "UINT32": TensorProto.UINT32,
    "UINT64": TensorProto.UINT64,
    "FP16": TensorProto.FLOAT16,
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
    "BYTES": TensorProto.STRING,
}
DATATYPES = tuple(ONNX_TYPES)
MAX_BATCH_SIZE = 8


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of a model: name, datatype, and the shape of one row."""

    name: str
    datatype: str
    dims: tuple[int, ...]
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Published:
    """One model of the suite.

    Attributes:
        name: Registered name.
        inputs: Inputs of its graph.
        outputs: Outputs of its graph.
        nodes: Nodes of the graph of every version.
        max_batch_size: 0 where the model takes no batch dimension.
        serves: Versions in the catalog; the last one is the champion.
    """

    name: str
    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]
    nodes: Mapping[int, Sequence[NodeProto]]
    max_batch_size: int = MAX_BATCH_SIZE
    serves: Sequence[int] = field(default=(1,))


def identity(name: str, datatype: str, dims: tuple[int, ...], max_batch_size: int = MAX_BATCH_SIZE) -> Published:
    """Returns a model whose output `Y` is its input `X`."""
    nodes = {1: [helper.make_node("Identity", ["X"], ["Y"])]}
    return Published(name, [Tensor("X", datatype, dims)], [Tensor("Y", datatype, dims)], nodes, max_batch_size)


def failing() -> Published:
    """Returns a model that fails on every row: three elements have no shape of two columns."""
    columns = numpy_helper.from_array(np.array([-1, 2]), "columns")
    nodes = [
        helper.make_node("Constant", [], ["shape"], value=columns),
        helper.make_node("Reshape", ["X", "shape"], ["Y"]),
    ]
    return Published("failing", [Tensor("X", "FP32", (-1,))], [Tensor("Y", "FP32", (2,))], {1: nodes})


def models() -> list[Published]:
    """Returns every model of the suite."""
    ints = [Tensor("INPUT0", "INT32", (16,)), Tensor("INPUT1", "INT32", (16,))]
    sums = [Tensor("OUTPUT0", "INT32", (16,)), Tensor("OUTPUT1", "INT32", (16,))]
    add = helper.make_node("Add", ["INPUT0", "INPUT1"], ["OUTPUT0"])
    subtract = helper.make_node("Sub", ["INPUT0", "INPUT1"], ["OUTPUT1"])
    labelled = Tensor("P", "FP32", (4,), ("cat", "dog", "newt", "wren"))
    return [
        Published("simple", ints, sums, {1: [add, subtract]}),
        Published(
            "classes", [Tensor("X", "FP32", (4,))], [labelled], {1: [helper.make_node("Identity", ["X"], ["P"])]}
        ),
        Published(
            "versions",
            [Tensor("X", "FP32", (2,))],
            [Tensor("Y", "FP32", (2,))],
            {1: [helper.make_node("Neg", ["X"], ["Y"])], 2: [helper.make_node("Abs", ["X"], ["Y"])]},
            serves=(1, 2),
        ),
        identity("matrix", "FP32", (3,)),
        failing(),
        identity("whole", "FP32", (2, 3), max_batch_size=0),
        identity("anywhere", "FP32", (-1, 2)),
        identity("unbatched", "FP32", (-1, -1), max_batch_size=0),
        identity("words", "BYTES", (-1,)),
        *(identity(f"same_{datatype.lower()}", datatype, (2,)) for datatype in DATATYPES),
    ]


def graph_of(model: Published, nodes: Sequence[NodeProto]) -> ModelProto:
    """Returns the ONNX graph of one version."""
    leading = ["rows"] if model.max_batch_size else []

    def info(tensor: Tensor) -> ValueInfoProto:
        dims = [*leading, *(None if size < 0 else size for size in tensor.dims)]
        return helper.make_tensor_value_info(tensor.name, ONNX_TYPES[tensor.datatype], dims)

    body = helper.make_graph(nodes, model.name, [*map(info, model.inputs)], [*map(info, model.outputs)])
    graph = helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(graph)
    return graph


def describe(tensor: Tensor) -> catalog_pb2.Tensor:
    """Returns a tensor in the catalog's words."""
    return catalog_pb2.Tensor(name=tensor.name, datatype=tensor.datatype, dims=tensor.dims, columns=tensor.labels)


def write_repository(folder: Path) -> catalog_pb2.Catalog:
    """Writes every model in Triton's layout; returns the catalog that names them."""
    return catalog_pb2.Catalog(
        generation=1, models=sorted((write_model(folder, model) for model in models()), key=lambda each: each.name)
    )


def write_model(folder: Path, model: Published) -> catalog_pb2.Model:
    """Writes one model; returns its entry of the catalog."""
    signature = catalog_pb2.Signature(inputs=map(describe, model.inputs), outputs=map(describe, model.outputs))
    entry = catalog_pb2.Model(name=model.name, team="contract")
    entry.arms.add(name="champion", version=model.serves[-1], weight_basis_points=10_000)
    for number, nodes in model.nodes.items():
        content = graph_of(model, nodes).SerializeToString()
        path = folder / model.name / str(number) / "model.onnx"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        if number in model.serves:
            digest = hashlib.sha256(content).hexdigest()
            entry.versions.add(number=number, signature=signature, max_batch_size=model.max_batch_size, sha256=digest)
    (folder / model.name / "config.pbtxt").write_text(with_labels(folder / model.name, compose_config(entry), model))
    return entry


def with_labels(folder: Path, text: str, model: Published) -> str:
    """Returns a configuration whose labelled outputs name a file of their labels, which it writes."""
    config = text_format.Parse(text, model_config_pb2.ModelConfig())
    for output, tensor in zip(config.output, model.outputs, strict=True):
        if tensor.labels:
            output.label_filename = f"{tensor.name}.labels"
            (folder / output.label_filename).write_text("".join(f"{label}\n" for label in tensor.labels))
    return str(text_format.MessageToString(config))
