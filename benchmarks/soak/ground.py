"""What is soaked: a gateway over a Triton node, with stored features and telemetry, and a catalog that changes."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

import redis

from benchmarks.arena import TENANT, Arena, open_arena
from benchmarks.features.scorers import BUDGET_MS, CREDIT, train
from benchmarks.gbm import draw_rows
from benchmarks.lanes.field import API_KEY, SMALL, compose_models
from benchmarks.measuring.contestants import Contestant
from benchmarks.measuring.framing import METHOD
from benchmarks.measuring.questions import ask
from benchmarks.models import BenchModel, Views, echo_model, write_catalog
from benchmarks.redis_servers import redis_server

ENTITIES, QUESTIONS, SEVERAL_ROWS = 512, 40, 7
RAW, TYPED = "raw", "typed"
SEVERAL, VISITOR = "team9_several", "team9_visitor"
GATEWAY, TRITON, VALKEY = "gateway", "Triton", "Valkey"


@dataclass(frozen=True, slots=True)
class Ground:
    """What is soaked.

    Attributes:
        arena: The gateway and its node.
        loads: Calls that come in bulk, by name: raw ones, and typed ones by the id of a customer.
        looked_at: Other calls, whose answers are looked at too.
        models: What is served in turn: without a visitor, and with it.
        views: What typed calls look up.
    """

    arena: Arena
    loads: Mapping[str, Contestant]
    looked_at: tuple[Contestant, ...]
    models: tuple[list[BenchModel], list[BenchModel]]
    views: Views
    _generations: Iterator[int] = field(default_factory=lambda: count(2))

    @property
    def stages(self) -> Mapping[str, tuple[int, ...]]:
        """Processes of each stage."""
        return self.loads[RAW].stages

    def change_catalog(self) -> bool:
        """Takes the visitor live if it was not, or the other way round; says whether it is from now on."""
        generation = next(self._generations)
        write_catalog(self.models[generation % 2], self.arena.folder / "catalog.binpb", self.views, generation)
        return bool(generation % 2)


@contextmanager
def open_ground(backend: str) -> Iterator[Ground]:
    """Starts everything; the backend is `triton`, or the embedded one."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gapura-")))
        server = stack.enter_context(redis_server(folder))
        scorer, (small, *_) = train(CREDIT), compose_models(heavy=False)
        with redis.Redis.from_url(server.url) as client:
            scorer.store(client, ENTITIES)
        several = replace(small, name=SEVERAL)
        resident = [small, several, echo_model(), scorer.model]
        visited = [*resident, replace(small, name=VISITOR)]
        settings = {
            "GAPURA_LISTENER": "native",
            "GAPURA_FEATURES_URL": server.url,
            "GAPURA_FEATURES_BUDGET_MS": BUDGET_MS,
            "GAPURA_TELEMETRY": str(folder / "telemetry"),
        }
        arena = stack.enter_context(open_arena(backend, 1, models=visited, views=scorer.views, settings=settings))
        stages: dict[str, tuple[int, ...]] = {GATEWAY: (arena.pid,), VALKEY: (server.pid,)}
        if supervisors := tuple(node.supervisor for node in arena.nodes if node.supervisor is not None):
            stages[TRITON] = supervisors
        headers, (rows, _) = ((API_KEY, arena.api_keys[TENANT]),), draw_rows()
        raw = Contestant(RAW, arena.address, METHOD, tuple(ask(SMALL, small.graph, rows[:QUESTIONS])), stages, headers)
        typed = replace(raw, name=TYPED, path=scorer.method.path, questions=scorer.questions(ENTITIES, by_ids=True))
        wide = tuple(ask(SEVERAL, several.graph, rows[: QUESTIONS * SEVERAL_ROWS], SEVERAL_ROWS))
        loads, looked_at = {RAW: raw, TYPED: typed}, (replace(raw, name="several rows", questions=wide),)
        yield Ground(arena, loads, looked_at, (resident, visited), scorer.views)
