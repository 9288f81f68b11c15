"""The ground that all suites share: one gateway over one Triton node, and the same trees under several names."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from benchmarks.arena import TENANT, Arena, Policies, open_arena
from benchmarks.gbm import Recipe, Rows, draw_rows, grow
from benchmarks.lanes.contestants import Contestant
from benchmarks.measuring.questions import Question, ask
from benchmarks.models import MAX_BATCH_SIZE, BenchModel

SMALL, SINGLE, DYNAMIC, HEAVY, NARROW = "team9_small", "team9_single", "team9_dynamic", "team9_heavy", "team9_narrow"
SMALL_TREES, HEAVY_TREES = Recipe(trees=100, depth=3), Recipe(trees=2_000, depth=5, copies=6)
HEAVY_ROWS, NARROW_ROWS = 32, 4  # of half a millisecond each
TENANTS: Policies = {TENANT: {"operator": True}, "tenant2": {}, "tenant3": {}, "tenant4": {}}
URGENT, PATIENT = "urgent", "patient"
PRIORITIES: Policies = {URGENT: {"priority": "high"}, PATIENT: {"priority": "low"}}
LIMITED, SHARE = "limited", 100.0
QUOTAS: Policies = {LIMITED: {"calls_per_second": SHARE}}
API_KEY = "x-api-key"
QUESTIONS = 240
DYNAMIC_BATCHING = "\ndynamic_batching { }\n"


@dataclass(frozen=True, slots=True)
class Field:
    """What is measured, and where.

    Attributes:
        arena: The gateway, and the node behind it if the backend has one.
        models: What is served, by name.
        rows: Drawn from the data that the models were trained on.
        scratch: Folder for files of the load.
        asked: Questions by address, model and rows of each: answers of two addresses may differ in size.
    """

    arena: Arena
    models: Mapping[str, BenchModel]
    rows: Rows
    scratch: Path
    asked: dict[tuple[str, str, int], tuple[Question, ...]] = field(default_factory=dict)

    def gateway(
        self, model: str = SMALL, *, name: str = "gateway", tenant: str = TENANT, rows_each: int = 1
    ) -> Contestant:
        """Returns the gateway as a contestant."""
        headers = ((API_KEY, self.arena.api_keys[tenant]),)
        return self._contestant(name, self.arena.address, headers, model, rows_each, (self.arena.pid,))

    def direct(self, model: str = SMALL, *, name: str = "direct", rows_each: int = 1) -> Contestant:
        """Returns Triton, asked without the gateway."""
        return self._contestant(name, self.arena.nodes[0].address, (), model, rows_each, ())

    def single(self) -> Contestant:
        """Returns the gateway with every call in a batch of its own."""
        return self.gateway(SINGLE, name="gateway, one call a batch")

    def baseline(self) -> Contestant:
        """Returns what lanes are held against: Triton; with the embedded backend, the gateway without lanes."""
        return self.direct() if self.arena.nodes else self.single()

    def dynamic(self, rows_each: int = 1) -> list[Contestant]:
        """Returns Triton with its own dynamic batcher, where there is a Triton."""
        return [self.direct(DYNAMIC, name="direct, dynamic_batching", rows_each=rows_each)] if self.arena.nodes else []

    def _contestant(  # noqa: PLR0913, PLR0917 - what a contestant consists of
        self,
        name: str,
        address: str,
        headers: tuple[tuple[str, str], ...],
        model: str,
        rows_each: int,
        roots: tuple[int, ...],
    ) -> Contestant:
        key = (address, model, rows_each)
        if key not in self.asked:
            graph, rows = self.models[model].graph, self.rows[: QUESTIONS * rows_each]
            self.asked[key] = tuple(ask(model, graph, rows, rows_each))
        supervisors = tuple(node.supervisor for node in self.arena.nodes if node.supervisor is not None)
        counter = self.arena.nodes[0].address if self.arena.nodes else address
        return Contestant(name, address, headers, model, self.asked[key], (*roots, *supervisors), counter)


@contextmanager
def open_field(backend: str, listener: str, *, heavy: bool, priorities: bool) -> Iterator[Field]:
    """Runs what the suites need.

    Args:
        backend: Of the gateway.
        listener: Of the gateway.
        heavy: Whether the models of many trees are wanted, which take a minute to train the first time.
        priorities: Whether tenants with priorities are wanted.
    """
    models = compose_models(heavy=heavy)
    tenants = {**TENANTS, **QUOTAS, **(PRIORITIES if priorities else {})}
    settings = {"GAPURA_LISTENER": listener}
    with (
        tempfile.TemporaryDirectory(prefix="gapura-bench-") as scratch,
        open_arena(backend, 1, models=models, tenants=tenants, settings=settings) as arena,
    ):
        yield Field(arena, {model.name: model for model in models}, draw_rows()[0], Path(scratch))


def compose_models(*, heavy: bool) -> list[BenchModel]:
    """Returns the models that are served."""
    graph, signature = grow(SMALL_TREES)
    small = [
        BenchModel(SMALL, graph, signature),
        BenchModel(SINGLE, graph, signature, 1),
        BenchModel(DYNAMIC, graph, signature, MAX_BATCH_SIZE, DYNAMIC_BATCHING),
    ]
    if not heavy:
        return small
    graph, signature = grow(HEAVY_TREES)
    sizes = {HEAVY: HEAVY_ROWS, NARROW: NARROW_ROWS}
    return [*chain(small, (BenchModel(name, graph, signature, rows) for name, rows in sizes.items()))]
