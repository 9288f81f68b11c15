"""Small model repositories, written by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, checker, helper

MAX_BATCH_SIZE = 64
GATHERING = "dynamic_batching { max_queue_delay_microseconds: 50000 }"  # so that calls meet


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output, as a config and a graph each know it.

    Attributes:
        name: In both.
        datatype: Triton's, without `TYPE_`.
        dims: Of one row; -1 is any.
        more: Text for the config.
    """

    name: str
    datatype: str
    dims: tuple[int, ...]
    more: str = ""

    @property
    def triton(self) -> str:
        """Its text in a config."""
        return f'{{ name: "{self.name}" data_type: TYPE_{self.datatype} dims: {list(self.dims)} {self.more} }}'

    def onnx(self, leading: Sequence[int | None]) -> ValueInfoProto:
        """Its place in a graph."""
        names = {"FP16": "FLOAT16", "FP32": "FLOAT", "FP64": "DOUBLE"}
        element = TensorProto.DataType.Value(names.get(self.datatype, self.datatype))
        shape = [*leading, *(None if dim < 0 else dim for dim in self.dims)]
        return helper.make_tensor_value_info(self.name, element, shape)


def graph_of(
    nodes: Sequence[NodeProto],
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    leading: Sequence[int | None] = (None,),
    constants: Sequence[TensorProto] = (),
) -> ModelProto:
    """Returns a graph whose tensors have leading dimensions before those of a row."""
    graph = helper.make_graph(
        nodes, "by hand", [port.onnx(leading) for port in inputs], [port.onnx(leading) for port in outputs], constants
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 3), helper.make_opsetid("made.up", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    checker.check_model(model)
    return model


def write_model(  # noqa: PLR0913 - what a model consists of
    repository: Path,
    name: str,
    graph: ModelProto,
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    *,
    max_batch_size: int = MAX_BATCH_SIZE,
    more: str = "",
) -> None:
    """Writes a model with one version."""
    folder = repository / name
    (folder / "1").mkdir(parents=True)
    (folder / "1/model.onnx").write_bytes(graph.SerializeToString())
    (folder / "config.pbtxt").write_text(f"""
        name: "{name}"
        backend: "onnxruntime"
        max_batch_size: {max_batch_size}
        input [{", ".join(port.triton for port in inputs)}]
        output [{", ".join(port.triton for port in outputs)}]
        instance_group [{{ kind: KIND_CPU count: 1 }}]
        {more}
    """)


def write_sums(repository: Path, name: str = "sums", more: str = "") -> None:
    """Writes a model that adds up each row of `x`, `[-1]`, into `sum`, `[1]`; rows of different widths may meet."""
    inputs, outputs = [Port("x", "FP64", (-1,), "allow_ragged_batch: true")], [Port("sum", "FP64", (1,))]
    axis = helper.make_tensor("axis", TensorProto.INT64, [1], [1])
    graph = graph_of([helper.make_node("ReduceSum", ["x", "axis"], ["sum"])], inputs, outputs, constants=[axis])
    write_model(repository, name, graph, inputs, outputs, more=more)
