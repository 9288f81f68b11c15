"""Everything between a registry and its callers, real, with a publisher that watches; and ways to break each part."""

import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from gapura_triton.installation import Installation
from sklearn.ensemble import RandomForestClassifier
from tritonclient.grpc import service_pb2

from benchmarks.steady_load import SteadyLoad
from hub.catalog import find_arm, find_model
from hub.registry import ModelRegistry
from hub.registry.records import CHAMPION, RegisteredVersion
from tests.catalog.valkey import Valkey, running
from tests.e2e.serving import COMMAND, add_tenant, scratch_environment, serve
from tests.hub.workplace import Workplace, draw_table
from tests.triton.nodes import RunningNode, installed_home, running_node, stub_of, wait_until

ROOT = Path(__file__).parents[2]
TEAM, MODEL = "team1", "steady"
NAME = f"{TEAM}_{MODEL}"
LIED, ENDED = "team4_lied", "team4_ended"  # what the second node does with these
CONVERT_SECONDS, CONVERT_MIB = 6, 1500
DISK_MIB = 32
PATIENCE_SECONDS = 45.0
CALLERS, PAUSE_SECONDS = 4, 0.02
_TROUBLE = f"""
import os

class TritonPythonModel(TritonPythonModel):
    def initialize(self, args):
        self.is_lied_to = args["model_name"].startswith("{LIED}")
        if args["model_name"].startswith("{ENDED}"):
            os.abort()
        super().initialize(args)

    def _infer(self, feeds):
        answers = super()._infer(feeds)
        wrong = lambda answer: answer + answer.dtype.type(0.25) if answer.dtype.kind == "f" else answer
        return {{name: wrong(answer) for name, answer in answers.items()}} if self.is_lied_to else answers
"""


@dataclass(frozen=True, slots=True)
class Place:
    """What is there to be broken.

    Attributes:
        workplace: Registry, repository and catalog; the last two on a small disk.
        disk: Where that disk is mounted.
        nodes: Both nodes; the second has trouble with some models.
        valkey: Carries the catalog as well.
        registry: The registry.
        good: The first version, whose artifacts later good ones share.
        log: What the publisher says.
        address: Of the gateway.
        api_key: Of a tenant.
        request: Of one row.
        expected: What answers it, whatever version does.
    """

    workplace: Workplace
    disk: Path
    nodes: tuple[RunningNode, RunningNode]
    valkey: Valkey
    registry: ModelRegistry
    good: RegisteredVersion
    log: Path
    address: str
    api_key: str
    request: bytes
    expected: list[bytes]

    def promote(self, source: str = "") -> int:
        """Registers a version and makes it champion; by default one with the artifacts of the first."""
        version = self.registry.register_model(TEAM, MODEL, source or self.good.source, self.good.run_id)
        self.workplace.point(NAME, CHAMPION, version.number)
        return version.number

    def live(self) -> int:
        """Returns the version that answers."""
        champion = find_arm(find_model(self.workplace.catalog(), NAME), CHAMPION)
        return champion.number if champion else 0

    def wait_live(self, number: int) -> None:
        """Waits until a version is."""
        wait_until(lambda: self.live() == number, PATIENCE_SECONDS)

    def wait_served(self, node: RunningNode, number: int) -> None:
        """Waits until a node serves a version."""
        request = service_pb2.ModelReadyRequest(name=NAME, version=str(number))
        with stub_of(node.address) as stub:
            wait_until(lambda: stub.ModelReady(request, timeout=10, wait_for_ready=True).ready, PATIENCE_SECONDS)

    def wait_refused(self, name: str, number: int, words: str) -> None:
        """Waits until a version's tags say why it is not live."""

        def refused() -> bool:
            tags = self.workplace.version_tags(name, number)
            return tags.get("serving.status") == "refused" and words in tags["serving.reason"]

        try:
            wait_until(refused, PATIENCE_SECONDS)
        except AssertionError:
            raise AssertionError(f"{self.workplace.version_tags(name, number)}\n{self.log.read_text()}") from None

    def wait_said(self, words: str) -> None:
        """Waits until the publisher has said something."""
        wait_until(lambda: words in self.log.read_text(), PATIENCE_SECONDS)

    @asynccontextmanager
    async def undisturbed(self) -> AsyncIterator[None]:
        """Callers call meanwhile; none of their calls may fail, nor be answered otherwise."""
        load = SteadyLoad(
            self.address,
            [self.request],
            self._check,
            api_key=self.api_key,
            callers=CALLERS,
            pause_seconds=PAUSE_SECONDS,
        )
        async with load:
            await load.during(0.2)
            yield
            await load.during(0.5)
        assert load.since(0).calls > CALLERS
        assert load.since(0).problems == {}

    def _check(self, _: int, answer: bytes) -> str:
        raw = service_pb2.ModelInferResponse.FromString(answer).raw_output_contents
        return "" if list(raw) == self.expected else "another answer"


@contextmanager
def troubled_place(folder: Path) -> Iterator[Place]:
    """Starts everything; the first version is live."""
    with ExitStack() as stack:
        disk = stack.enter_context(_small_disk(folder / "disk"))
        workplace = _OnDisk(folder)
        workplace.repository.mkdir()
        model, table = RandomForestClassifier(5, random_state=0), draw_table()
        workplace.register(NAME, model.fit(table, table["income"] > 0))
        one = stack.enter_context(running_node(workplace.repository, folder / "one"))
        two = stack.enter_context(_troubled_node(workplace.repository, folder))
        valkey = stack.enter_context(running())
        environment = scratch_environment(
            os.environ,
            VAR=str(disk),
            REPOSITORY=str(workplace.repository),
            CATALOG=str(workplace.catalog_file),
            CONTRACTS=str(folder / "contracts"),
            FREEZE=str(folder / "freeze.yaml"),
            TENANTS=str(folder / "tenants.yaml"),
            MLFLOW_URI=f"sqlite:///{workplace.database}",
            REDIS_URL=valkey.url(),
            BACKEND="triton",
            NODES=f"{one.address},{two.address}",
            HANDOVER_SECONDS="1",
            POLL_SECONDS="0.2",
            CONVERT_SECONDS=str(CONVERT_SECONDS),
            CONVERT_MEMORY_MIB=str(CONVERT_MIB),
        )
        environment["MLFLOW_SQLALCHEMYSTORE_POOLCLASS"] = "NullPool"  # an open database is not missed when it is gone
        stack.enter_context(_watching(environment, folder / "publisher.log"))
        wait_until(lambda: bool(workplace.catalog().models), PATIENCE_SECONDS)
        key = add_tenant(environment, "troubles", NAME)
        _, address = stack.enter_context(serve({**environment, "GAPURA_VAR": str(folder / "gateway")}))
        request, expected = _ask(one)
        log, registry, good = folder / "publisher.log", workplace.open_registry(), workplace.champion(NAME)
        yield Place(workplace, disk, (one, two), valkey, registry, good, log, address, key, request, expected)


class _OnDisk(Workplace):
    """What the publisher writes lies on the small disk, registry and artifacts do not."""

    @property
    def repository(self) -> Path:
        return self.root / "disk/model_repository"

    @property
    def catalog_file(self) -> Path:
        return self.root / "disk/catalog/catalog.binpb"


@contextmanager
def _small_disk(path: Path) -> Iterator[Path]:
    path.mkdir()
    subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "gapura", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["/bin/umount", "--lazy", str(path)], check=True)


@contextmanager
def _troubled_node(repository: Path, folder: Path) -> Iterator[RunningNode]:
    """Runs a node whose backend has trouble with some models."""
    home, real = folder / "home", installed_home()
    (home / "backends/onnxruntime").mkdir(parents=True)
    (home / "venv").symlink_to(real / "venv")
    (home / "backends/python").symlink_to(real / "backends/python")
    backend = Installation(home).model_py
    shutil.copy(Installation(real).model_py, backend)
    with running_node(repository, folder / "two", home=home) as node:
        backend.write_text(backend.read_text() + _TROUBLE)  # the launcher starts nothing that is not its own
        yield node


@contextmanager
def _watching(environment: dict[str, str], log: Path) -> Iterator[None]:
    with log.open("wb") as file:
        publisher = subprocess.Popen(
            [*COMMAND, "publish", "--watch"], env=environment, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT
        )
    try:
        yield
    finally:
        publisher.terminate()
        publisher.wait()


def _ask(node: RunningNode) -> tuple[bytes, list[bytes]]:
    """Returns a request of one row, and what a node answers."""
    row = draw_table().to_numpy()[:1]
    request = service_pb2.ModelInferRequest(model_name=NAME, raw_input_contents=[row.tobytes()])
    request.inputs.add(name="input", datatype="FP64", shape=row.shape)
    with stub_of(node.address) as stub:
        return request.SerializeToString(), list(stub.ModelInfer(request, timeout=10).raw_output_contents)
