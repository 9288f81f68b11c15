"""ONNX models in a repository, made for tests of the embedded backend."""

import hashlib
import struct
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from gateway.backends.onnx.loading import session_options
from gateway.types import PLAIN, ModelVersion, Signature, Tensors, TensorSpec, Terms

MAX_BATCH_SIZE = 256
OPSET, IR_VERSION = 21, 10
ROWS = "rows"
WIDTH = 64
TRIED_TURNS = 5_000


def row(value: float, terms: Terms = PLAIN) -> Tensors:
    """Returns one row of one float."""
    return Tensors(1, ((1,),), (struct.pack("<f", value),), terms)


def write_model(
    repository: Path,
    model: str,
    nodes: Sequence[Any],
    *,
    outputs: Sequence[str] = ("y",),
    constants: Sequence[Any] = (),
) -> ModelVersion:
    """Writes a model from `x`, one float, to as many outputs, one float each; returns its version 1."""
    ports = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [ROWS, 1]) for name in ("x", *outputs)}
    graph = helper.make_graph(nodes, model, [ports["x"]], [ports[name] for name in outputs], constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    content = made.SerializeToString()
    (repository / model / "1").mkdir(parents=True)
    (repository / model / "1/model.onnx").write_bytes(content)
    told = [f'output {{ name: "{name}" data_type: TYPE_FP32 dims: 1 }}' for name in outputs]
    config = [
        f'name: "{model}"',
        f"max_batch_size: {MAX_BATCH_SIZE}",
        'input { name: "x" data_type: TYPE_FP32 dims: 1 }',
    ]
    (repository / model / "config.pbtxt").write_text("\n".join(config + told))
    x, *y = (TensorSpec(name, "FP32", (1,)) for name in ("x", *outputs))
    return ModelVersion(model, 1, Signature((x,), tuple(y)), MAX_BATCH_SIZE, hashlib.sha256(content).hexdigest())


def write_echo(repository: Path, model: str = "team9_echo") -> ModelVersion:
    """Writes a model that answers with its input."""
    return write_model(repository, model, [helper.make_node("Identity", ["x"], ["y"])])


def working() -> tuple[list[Any], Any]:
    """Returns nodes that work for as many turns as `turns` says and then answer with `x`, and what they work on."""
    square = numpy_helper.from_array(np.zeros((WIDTH, WIDTH), np.float32), "square")
    info = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["goes_on"], ["still"]),
            helper.make_node("MatMul", ["before", "square"], ["after"]),
        ],
        "work",
        [
            info("turn", TensorProto.INT64, []),
            info("goes_on", TensorProto.BOOL, []),
            info("before", TensorProto.FLOAT, [WIDTH, WIDTH]),
        ],
        [info("still", TensorProto.BOOL, []), info("after", TensorProto.FLOAT, [WIDTH, WIDTH])],
    )
    nodes = [
        helper.make_node("Loop", ["turns", "", "square"], ["worked"], body=body),
        helper.make_node("ReduceMax", ["worked"], ["nothing"], keepdims=0),
        helper.make_node("Add", ["x", "nothing"], ["y"]),
    ]
    return nodes, square


def write_worker(repository: Path, model: str = "team9_worker") -> ModelVersion:
    """Writes a model that answers with its input, and works for longer the larger the largest value of it."""
    work, square = working()
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["largest"], keepdims=0),
        helper.make_node("Cast", ["largest"], ["turns"], to=TensorProto.INT64),
        *work,
    ]
    return write_model(repository, model, nodes, constants=[square])


def work_of(repository: Path, version: ModelVersion, seconds: float) -> float:
    """Returns for what value a worker works for so long on this machine."""
    path = repository / version.model / "1/model.onnx"
    session = onnxruntime.InferenceSession(path, session_options(), providers=["CPUExecutionProvider"])
    tried = {"x": np.full((1, 1), TRIED_TURNS, np.float32)}
    session.run(None, tried)
    started = perf_counter()
    session.run(None, tried)
    return float(round(TRIED_TURNS * seconds / (perf_counter() - started)))
