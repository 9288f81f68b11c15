"""A model whose challenger has a fault: it errs, dawdles, or gives other scores. Otherwise both arms answer `y = x`."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import onnxruntime
from erpml.catalog.v1 import catalog_pb2
from onnx import TensorProto, helper, numpy_helper

from tests.gateway.onnx_models import IR_VERSION, OPSET, TRIED_TURNS, working

MODEL, EXPERIMENT = "team9_faulty", "newer"
MAX_BATCH_SIZE = 64
CONFIG = f"""
name: "{MODEL}"
max_batch_size: {MAX_BATCH_SIZE}
input {{ name: "x" data_type: TYPE_FP32 dims: 1 }}
output {{ name: "y" data_type: TYPE_FP32 dims: 1 }}
"""
SHIFT, TAKES = 0.2, 0.95

Graph = tuple[Sequence[Any], Sequence[Any]]  # nodes and constants


def echo() -> Graph:
    """Returns a graph without fault."""
    return [helper.make_node("Identity", ["x"], ["y"])], []


def shifted() -> Graph:
    """Returns a graph whose scores are shifted."""
    return [helper.make_node("Add", ["x", "shift"], ["y"])], [constant("shift", [SHIFT])]


def erring() -> Graph:
    """Returns a graph that fails for inputs above 0.95: it looks beside a table that has one entry."""
    nodes = [
        helper.make_node("Greater", ["x", "takes"], ["beside"]),
        helper.make_node("Cast", ["beside"], ["place"], to=TensorProto.INT64),
        helper.make_node("Gather", ["nothing", "place"], ["found"], axis=0),
        helper.make_node("Add", ["x", "found"], ["y"]),
    ]
    return nodes, [constant("takes", [TAKES]), constant("nothing", [0.0])]


def slow(turns: int) -> Graph:
    """Returns a graph that works before it answers."""
    nodes, square = working()
    return nodes, [square, numpy_helper.from_array(np.array(turns, np.int64), "turns")]


def turns_of(seconds: float) -> int:
    """Returns how many turns take so long on this machine."""
    session = onnxruntime.InferenceSession(encode(slow(TRIED_TURNS)), providers=["CPUExecutionProvider"])
    asked = {"x": np.zeros((1, 1), np.float32)}
    session.run(None, asked)
    started = perf_counter()
    session.run(None, asked)
    return round(TRIED_TURNS * seconds / (perf_counter() - started))


def constant(name: str, values: Sequence[float]) -> Any:
    """Returns a constant of a graph."""
    return numpy_helper.from_array(np.array(values, np.float32), name)


def encode(graph: Graph) -> bytes:
    """Returns a graph as ONNX."""
    nodes, constants = graph
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", 1]) for name in ("x", "y")]
    made = helper.make_graph(nodes, MODEL, ports[:1], ports[1:], constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    return bytes(model.SerializeToString())


def write_arms(folder: Path, challenger: Graph, *, buckets: int = 3_000) -> None:
    """Writes a repository and a catalog, in which a challenger has a share of the calls, under guardrails."""
    versions = []
    for number, graph in ((1, echo()), (2, challenger)):
        content = encode(graph)
        place = folder / "models" / MODEL / str(number)
        place.mkdir(parents=True)
        (place / "model.onnx").write_bytes(content)
        tensors = {name: [catalog_pb2.Tensor(name=name[0], datatype="FP32", dims=[1])] for name in ("x in", "y out")}
        signature = catalog_pb2.Signature(inputs=tensors["x in"], outputs=tensors["y out"])
        digest = hashlib.sha256(content).hexdigest()
        versions.append(
            catalog_pb2.Version(number=number, signature=signature, max_batch_size=MAX_BATCH_SIZE, sha256=digest)
        )
    (folder / "models" / MODEL / "config.pbtxt").write_text(CONFIG)
    champion = catalog_pb2.Arm(name="champion", version=1, weight_basis_points=10_000)
    other = catalog_pb2.Arm(name="challenger", version=2, kind=catalog_pb2.ARM_KIND_CHALLENGER)
    experiment = catalog_pb2.Experiment(
        name=EXPERIMENT,
        seed=f"{MODEL}.{EXPERIMENT}",
        state=catalog_pb2.EXPERIMENT_STATE_RUNNING,
        revision="r1",
        slices=[
            catalog_pb2.Slice(arm="challenger", first_bucket=0, buckets=buckets),
            catalog_pb2.Slice(arm="champion", first_bucket=buckets, buckets=10_000 - buckets),
        ],
        guardrails=catalog_pb2.Guardrails(
            error_rate=0.01, latency_ratio=1.5, score_shift=0.1, window_seconds=30, least_calls=50
        ),
    )
    model = catalog_pb2.Model(
        name=MODEL, team="team9", versions=versions, arms=[champion, other], experiments=[experiment]
    )
    catalog = catalog_pb2.Catalog(generation=1, models=[model])
    (folder / "catalog.binpb").write_bytes(catalog.SerializeToString())
