"""A gateway in a process of its own over models that benchmarks bring, for them to ask."""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gapura_triton.fleet import start_node, stop_node
from gapura_triton.installation import Installation
from gapura_triton.installing import install
from gapura_triton.node import Node
from tritonclient.grpc import service_pb2

from benchmarks.gateway_process import running_gateway
from benchmarks.models import ECHO, BenchModel, Views, echo_model, write_models
from gateway.tenancy.changing import write_tenants
from gateway.tenancy.keys import new_key
from gateway.tenancy.policies import KeyEntry, TenantPolicy, Tenants

TENANT = "bench"

Policies = Mapping[str, Mapping[str, Any]]
ONE_TENANT: Policies = MappingProxyType({TENANT: {"operator": True}})  # it sees the statistics of all


@dataclass(frozen=True, slots=True)
class Arena:
    """What is measured.

    Attributes:
        address: Of the gateway.
        api_keys: Of tenants that may call every model, by name.
        pid: The gateway's process.
        nodes: Triton nodes behind it; none when the backend is embedded.
        folder: With the catalog, `catalog.binpb`, and what the gateway writes.
    """

    address: str
    api_keys: Mapping[str, str]
    pid: int
    nodes: tuple[Node, ...]
    folder: Path

    @property
    def api_key(self) -> str:
        """Key of the first tenant."""
        return next(iter(self.api_keys.values()))


def echo_request(content: bytes) -> bytes:
    """Returns a serialised `inference.ModelInferRequest` of one row, float32; `content` has a multiple of 4 bytes."""
    request = service_pb2.ModelInferRequest(model_name=ECHO, raw_input_contents=[content])
    request.inputs.add(name="x", datatype="FP32", shape=[1, len(content) // 4])
    return bytes(request.SerializeToString())


@contextmanager
def open_arena(  # noqa: PLR0913 - what an arena consists of
    backend: str,
    nodes: int = 2,
    *,
    models: Sequence[BenchModel] = (),
    views: Views = (),
    tenants: Policies = ONE_TENANT,
    settings: Mapping[str, str] = {},
) -> Iterator[Arena]:
    """Runs a gateway over the embedded backend (`onnx`), or over nodes of its own (`triton`).

    Args:
        backend: Name of the backend.
        nodes: How many, with Triton.
        models: What is served; the echo alone by default.
        views: Feature views that their methods look up.
        tenants: Names of the tenants, and what their policies say beside that they may call everything.
        settings: Further settings of the gateway, by the names of their environment variables.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gapura-")))
        write_models(models or [echo_model()], folder / "models", folder / "catalog.binpb", views)
        api_keys = write_tenants_of(folder / "tenants.yaml", tenants)
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
            "GAPURA_USAGE": str(folder / "usage"),
        }
        pid, address = stack.enter_context(running_gateway({**os.environ, **environment, **settings}))
        yield Arena(address, api_keys, pid, running, folder)


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


def write_tenants_of(path: Path, policies: Policies) -> dict[str, str]:
    """Writes a tenants file; returns the key of each tenant."""
    keys = {name: new_key() for name in policies}
    entries = [policy_of(name, fields, KeyEntry.of(keys[name][1])) for name, fields in policies.items()]
    write_tenants(path, Tenants(tenants=tuple(entries)))
    return {name: key for name, (key, _) in keys.items()}


def policy_of(name: str, fields: Mapping[str, Any], key: KeyEntry) -> TenantPolicy:
    """Returns the policy of a tenant that may call everything."""
    return TenantPolicy.model_validate({"name": name, "models": ("*",), "keys": (key,), **fields})
