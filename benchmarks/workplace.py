"""Models, a tenant and a Triton node, before which suites start gateways and Envoys as they need them."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from gapura_envoy.contracts import read_contracts
from gapura_envoy.testing import running_edge

from benchmarks.arena import ONE_TENANT, TENANT, running_node, write_tenants_of
from benchmarks.edge.ground import environment_of
from benchmarks.edge.workers import running_worker
from benchmarks.models import BenchModel, Views, write_models

LOOPBACK = "127.0.0.1:0"
Stages = Mapping[str, tuple[int, ...]]
Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Running:
    """What can be asked.

    Attributes:
        address: `host:port`, or a socket's path behind `unix:`.
        stages: Its processes, and those of what it asks itself, by the name of the stage.
        pid: Of a gateway, its process.
    """

    address: str
    stages: Stages
    pid: int = 0


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where gateways are started; each ends with the context that it is started in.

    Attributes:
        folder: Of their files.
        headers: Of a tenant that may call everything.
        node: A Triton that serves the same models, or None.
    """

    folder: Path
    headers: Headers
    node: Running | None

    @property
    def tenants(self) -> Path:
        """File of the tenants, as gateways find it when they start."""
        return self.folder / "tenants.yaml"

    @contextmanager
    def gateway(
        self, backend: str, listener: str = "native", listen: str = LOOPBACK, settings: Mapping[str, str] = {}
    ) -> Iterator[Running]:
        """Runs a gateway.

        Args:
            backend: `triton`, over the node, or `onnx`.
            listener: Name of the listener.
            listen: Where it listens.
            settings: Further ones, by the names of their environment variables.
        """
        environment = environment_of(self.folder, self.node.address if self.node else "")
        environment |= {"GAPURA_TELEMETRY": f"{self.folder}/telemetry", "GAPURA_BACKEND": backend, **settings}
        behind = self.node.stages if self.node and backend == "triton" else {}
        with running_worker(environment, listener, listen) as (pid, address):
            yield Running(address, {"workers": (pid,), **behind}, pid)

    @contextmanager
    def edge(self, backend: str, settings: Mapping[str, str] = {}) -> Iterator[Running]:
        """Runs an Envoy, and a gateway behind it."""
        with (
            tempfile.TemporaryDirectory(dir=self.folder) as sockets,
            self.gateway(backend, listen=f"unix:{sockets}/worker", settings=settings) as worker,
            self.envoy([worker]) as envoy,
        ):
            yield envoy

    @contextmanager
    def envoy(self, workers: Sequence[Running]) -> Iterator[Running]:
        """Runs an Envoy before gateways, as the edge has it."""
        addresses, contracts = [each.address for each in workers], read_contracts(self.folder / "contracts")
        with running_edge(addresses, contracts, access_log=Path("access.log")) as edge:
            pids = tuple(each.pid for each in workers)
            yield Running(edge.address, {"Envoy": (edge.process.pid,), **workers[0].stages, "workers": pids})


@contextmanager
def open_workplace(models: Sequence[BenchModel], views: Views = (), *, triton: bool) -> Iterator[Workplace]:
    """Makes a workplace, with a node or without; everything ends afterwards."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gapura-")))
        write_models(models, folder / "models", folder / "catalog.binpb", views)
        api_key = write_tenants_of(folder / "tenants.yaml", ONE_TENANT)[TENANT]
        node = stack.enter_context(running_node(folder, "node1")) if triton else None
        asked = None
        if node is not None:
            asked = Running(node.address, {"Triton": () if node.supervisor is None else (node.supervisor,)})
        yield Workplace(folder, (("x-api-key", api_key),), asked)
