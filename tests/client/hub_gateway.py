"""A real gateway over small models and a feature view, for tests of `MLHubClient`."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from erpml.catalog.v1 import catalog_pb2
from onnx import TensorProto, helper, numpy_helper

from benchmarks.arena import write_tenants_of
from benchmarks.gateway_process import running_gateway
from benchmarks.models import IR_VERSION, OPSET, BenchModel, echo_model, write_models
from hub.composition import compose_model
from tests.gateway.feature_store import COLUMNS, declared
from tests.redis_servers import redis_server

MOST_ROWS = 8
FRAUD, MOVING, PRICE, REVIEW = (f"team3_{name}" for name in ("fraud_detection", "moving", "price", "review"))
FRAUD_COLUMNS = ("amount", "hour", "distance")
WEIGHTS = np.array([0.5, 0.25, -0.125])


def fraud_model(columns: Sequence[str] = FRAUD_COLUMNS, name: str = FRAUD) -> BenchModel:
    """Returns a classifier of three columns, whose order it is made for: the probability is the weighted sum."""
    order = [FRAUD_COLUMNS.index(column) for column in columns]
    weights = np.stack([-WEIGHTS[order], WEIGHTS[order]], axis=1)
    constants = [
        numpy_helper.from_array(weights, "weights"),
        numpy_helper.from_array(np.array([1.0, 0.0]), "bias"),
    ]
    nodes = [
        helper.make_node("MatMul", ["input", "weights"], ["sums"]),
        helper.make_node("Add", ["sums", "bias"], ["probabilities"]),
        helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1),
    ]
    inputs = [("input", "FP64", 3, tuple(columns))]
    outputs = [("label", "INT64", 1, ()), ("probabilities", "FP64", 2, ())]
    return made(name, nodes, inputs, outputs, constants)


def price_model() -> BenchModel:
    """Returns a regressor whose columns the gateway does not tell: it doubles the first."""
    nodes = [
        helper.make_node("Slice", ["input", "start", "end", "axis"], ["first"]),
        helper.make_node("Add", ["first", "first"], ["prediction"]),
    ]
    places = {"start": 0, "end": 1, "axis": 1}
    constants = [numpy_helper.from_array(np.array([place]), name) for name, place in places.items()]
    return made(PRICE, nodes, [("input", "FP32", 2, ())], [("prediction", "FP32", 1, ())], constants)


def review_model() -> BenchModel:
    """Returns a model of mixed columns, which answers with its text and one star more."""
    nodes = [
        helper.make_node("Identity", ["text"], ["label"]),
        helper.make_node("Add", ["stars", "one"], ["more"]),
    ]
    inputs = [("text", "BYTES", 1, ()), ("stars", "INT64", 1, ())]
    outputs = [("label", "BYTES", 1, ()), ("more", "INT64", 1, ())]
    return made(REVIEW, nodes, inputs, outputs, [numpy_helper.from_array(np.array([1]), "one")])


def made(
    name: str,
    nodes: Sequence[Any],
    inputs: Sequence[tuple[str, str, int, tuple[str, ...]]],
    outputs: Sequence[tuple[str, str, int, tuple[str, ...]]],
    constants: Sequence[Any],
) -> BenchModel:
    """Returns a model of tensors, each with name, datatype, width and columns."""
    types = {
        "FP64": TensorProto.DOUBLE,
        "FP32": TensorProto.FLOAT,
        "INT64": TensorProto.INT64,
        "BYTES": TensorProto.STRING,
    }
    ports, tensors = [], []
    for side in (inputs, outputs):
        ports.append(
            [helper.make_tensor_value_info(port, types[kind], ["rows", width]) for port, kind, width, _ in side]
        )
        tensors.append(
            [
                catalog_pb2.Tensor(name=port, datatype=kind, dims=[width], columns=columns)
                for port, kind, width, columns in side
            ]
        )
    graph = helper.make_graph(nodes, name, ports[0], ports[1], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    signature = catalog_pb2.Signature(inputs=tensors[0], outputs=tensors[1])
    return BenchModel(name, model.SerializeToString(), signature, MOST_ROWS)


@dataclass(frozen=True, slots=True)
class HubGateway:
    """A gateway that runs.

    Attributes:
        address: Where it listens.
        api_key: Key of team 3, which may call its own models and read and push the views.
        foreign_key: Key of a tenant that may call nothing of it.
        folder: Where its files are.
    """

    address: str
    api_key: str
    foreign_key: str
    folder: Path

    def publish_second(self, model: BenchModel) -> None:
        """Publishes version 2 of a model in place of version 1."""
        home, catalog = self.folder / "models" / model.name, self.folder / "catalog.binpb"
        (home / "2").mkdir()
        (home / "2/model.onnx").write_bytes(model.graph)
        config = (home / "config.pbtxt").read_text().splitlines()
        kept = "\n".join(line for line in config if not line.startswith("parameters"))
        (home / "config.pbtxt").write_text(f"{kept}\n{model.more_config}")
        live = catalog_pb2.Catalog.FromString(catalog.read_bytes())
        live.generation += 1
        (entry,) = (each for each in live.models if each.name == model.name)
        second = model.described().versions[0]
        second.number, second.sha256 = 2, hashlib.sha256(model.graph).hexdigest()
        entry.CopyFrom(compose_model(model.name, entry.team, {"champion": second}, policy={}))
        scratch = catalog.with_suffix(".new")
        scratch.write_bytes(live.SerializeToString())
        scratch.replace(catalog)


@contextmanager
def running_hub(folder: Path) -> Iterator[HubGateway]:
    """Runs a gateway with the models, and a view of a value of every type, whose rows are in a real store."""
    models = [
        fraud_model(),
        fraud_model(name=MOVING),
        price_model(),
        review_model(),
        replace(echo_model(), name="team3_echo"),
    ]
    write_models(models, folder / "models", folder / "catalog.binpb")
    catalog = catalog_pb2.Catalog.FromString((folder / "catalog.binpb").read_bytes())
    refusing = declared("merchant", dict(list(COLUMNS.items())[:1]))
    refusing.degrade = 3
    catalog.feature_views.extend([declared("customer"), refusing])
    (folder / "catalog.binpb").write_bytes(catalog.SerializeToString())
    views = {"feature_views": ("*",), "feature_pushes": ("*",)}
    policies: dict[str, dict[str, Any]] = {"team3": views, "other": {"models": ("team4_*",)}}
    keys = write_tenants_of(folder / "tenants.yaml", policies)
    places = {"REPOSITORY": "models", "CATALOG": "catalog.binpb", "CONTRACTS": "contracts"}
    places |= {"TENANTS": "tenants.yaml", "USAGE": "usage"}
    with redis_server(folder) as redis:
        settings = {f"GAPURA_{name}": str(folder / place) for name, place in places.items()}
        settings |= {"GAPURA_FEATURES_URL": redis.url, "GAPURA_FEATURES_BUDGET_MS": "2000"}
        with running_gateway({**os.environ, **settings}) as (_, address):
            yield HubGateway(address, keys["team3"], keys["other"], folder)
