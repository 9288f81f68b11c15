"""A gateway in a process of its own over a model that answers with its input, for benchmarks to ask."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from erpml.catalog.v1 import catalog_pb2
from gapura_triton.fleet import start_node, stop_node
from gapura_triton.installation import Installation
from gapura_triton.installing import install
from gapura_triton.node import Node
from onnx import TensorProto, helper
from tritonclient.grpc import service_pb2

from gateway.tenancy.keys import new_key
from gateway.tenancy.policies import KeyEntry, TenantPolicy, TenantsFile, write_tenants

MODEL = "team9_echo"
MAX_BATCH_SIZE = 256
OPSET, IR_VERSION = 21, 10
LOOK_SECONDS = 0.02
CONFIG = f"""
name: "{MODEL}"
backend: "onnxruntime"
max_batch_size: {MAX_BATCH_SIZE}
input [{{ name: "x" data_type: TYPE_FP32 dims: [-1] }}]
output [{{ name: "y" data_type: TYPE_FP32 dims: [-1] }}]
instance_group [{{ kind: KIND_CPU count: 1 }}]
version_policy {{ specific {{ versions: [1] }} }}
"""


@dataclass(frozen=True, slots=True)
class Arena:
    """What is measured.

    Attributes:
        address: Of the gateway.
        api_key: Of a tenant that may call the model.
        pid: The gateway's process.
        nodes: Triton nodes behind it; none when the backend is embedded.
    """

    address: str
    api_key: str
    pid: int
    nodes: tuple[Node, ...]


def echo_request(content: bytes) -> bytes:
    """Returns a serialised `inference.ModelInferRequest` of one row, float32; `content` has a multiple of 4 bytes."""
    request = service_pb2.ModelInferRequest(model_name=MODEL, raw_input_contents=[content])
    request.inputs.add(name="x", datatype="FP32", shape=[1, len(content) // 4])
    return bytes(request.SerializeToString())


@contextmanager
def open_arena(backend: str, nodes: int = 2) -> Iterator[Arena]:
    """Runs a gateway over the embedded backend (`onnx`), or over nodes of its own (`triton`)."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gapura-")))
        write_model(folder / "models", folder / "catalog.binpb")
        api_key = write_tenant(folder / "tenants.yaml")
        running = tuple(
            stack.enter_context(running_node(folder, f"node{number}"))
            for number in range(nodes if backend == "triton" else 0)
        )
        environment = {
            "GAPURA_BACKEND": backend,
            "GAPURA_NODES": ",".join(node.address for node in running),
            "GAPURA_REPOSITORY": str(folder / "models"),
            "GAPURA_CATALOG": str(folder / "catalog.binpb"),
            "GAPURA_CONTRACTS": str(folder / "contracts"),
            "GAPURA_TENANTS": str(folder / "tenants.yaml"),
        }
        pid, address = stack.enter_context(running_gateway(os.environ | environment))
        yield Arena(address, api_key, pid, running)


@contextmanager
def running_gateway(environment: dict[str, str]) -> Iterator[tuple[int, str]]:
    """Runs `gapura serve` on a free port; yields its process and address."""
    command = [sys.executable, "-m", "gateway", "serve", "--listen", "127.0.0.1:0"]
    with tempfile.NamedTemporaryFile() as log:
        process = subprocess.Popen(command, env=environment, stderr=log)  # noqa: S603 - our own command
        try:
            yield process.pid, wait_for_address(process, Path(log.name))
        finally:
            process.terminate()
            process.wait()


def wait_for_address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Returns where the gateway listens, once its log says so."""
    while process.poll() is None:
        whole_lines = log.read_text().rpartition("\n")[0].splitlines()
        for entry in map(json.loads, whole_lines):
            if entry["event"] == "listening":
                return str(entry["address"])
        time.sleep(LOOK_SECONDS)
    raise RuntimeError(f"the gateway ended: {log.read_text()}")


@contextmanager
def running_node(folder: Path, name: str) -> Iterator[Node]:
    """Runs a Triton node over the arena's models."""
    home = Path("var/triton").absolute()
    install(Installation(home), print)
    node, _ = start_node(folder / name, home, folder / "models")
    try:
        yield node
    finally:
        stop_node(node)


def write_model(repository: Path, catalog: Path) -> None:
    """Writes the model, and a catalog in which it is live."""
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, None]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], MODEL, ports[:1], ports[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    (repository / MODEL / "1").mkdir(parents=True)
    (repository / MODEL / "1/model.onnx").write_bytes(model.SerializeToString())
    (repository / MODEL / "config.pbtxt").write_text(CONFIG)
    catalog.write_bytes(compose_catalog(model.SerializeToString()).SerializeToString())


def compose_catalog(graph: bytes) -> catalog_pb2.Catalog:
    """Returns a catalog with the model alone."""
    tensors = [catalog_pb2.Tensor(name=name, datatype="FP32", dims=[-1]) for name in ("x", "y")]
    version = catalog_pb2.Version(
        number=1,
        signature=catalog_pb2.Signature(inputs=tensors[:1], outputs=tensors[1:]),
        max_batch_size=MAX_BATCH_SIZE,
        sha256=hashlib.sha256(graph).hexdigest(),
    )
    champion = catalog_pb2.Arm(name="champion", version=1, weight_basis_points=10_000)
    model = catalog_pb2.Model(name=MODEL, team="team9", versions=[version], arms=[champion])
    return catalog_pb2.Catalog(generation=1, models=[model])


def write_tenant(path: Path) -> str:
    """Writes a tenants file; returns its only tenant's key."""
    key, hashed = new_key()
    tenant = TenantPolicy(name="bench", models=("*",), keys=(KeyEntry.of(hashed),))
    write_tenants(path, TenantsFile(tenants=(tenant,)))
    return key
