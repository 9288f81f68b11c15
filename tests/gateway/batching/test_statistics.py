"""Statistics tell each tenant what it did itself, and every answer what backend time it took."""

import asyncio
import struct
from collections import Counter
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tritonclient.grpc import model_config_pb2, service_pb2

from gateway.batching.admission import LaneLimits
from gateway.batching.lanes import Lanes
from gateway.edge.kserve.service import KServe
from gateway.errors import DeadlineExceeded, ModelFailed, Overloaded
from gateway.pipeline import Pipeline
from gateway.routing.routes import compile_routes
from gateway.telemetry.off import NoTelemetry
from gateway.testing import FakeBackend, FakeFeatures
from gateway.traces import BatchTrace
from gateway.types import ModelVersion, Priority, Statistics, Tensors
from tests.gateway.batching.clock import run
from tests.gateway.batching.walk import SETUP_BYTES, STEP_BYTES, Walk, check_statistics
from tests.gateway.models import always, live, version

POISON, BATCH_SECONDS, ROW_SECONDS = 13.0, 0.05, 0.01
SCRIPTS = st.binary(min_size=SETUP_BYTES + STEP_BYTES * 150, max_size=SETUP_BYTES + STEP_BYTES * 150)
WALKING_TENANTS = "abcdefgh"


def rows(*values: float) -> Tensors:
    """Returns a call of one row for each value; the model fails on `POISON`."""
    return Tensors(len(values), ((2,),), (b"".join(struct.pack("<2f", value, 0.0) for value in values),))


@dataclass(slots=True)
class Slow(FakeBackend):
    """A backend that takes a fixed time and one for each row.

    Attributes:
        sequences: Whether its model takes one call at a time.
    """

    sequences: bool = False

    def config(self, version: ModelVersion) -> bytes:
        """Returns a configuration with sequences or without."""
        config = model_config_pb2.ModelConfig(max_batch_size=version.max_batch_size)
        if self.sequences:
            config.sequence_batching.SetInParent()
        return bytes(config.SerializeToString())

    async def infer(
        self,
        version: ModelVersion,
        inputs: Tensors,
        deadline: float | None,
        *,
        trace: BatchTrace | None = None,  # noqa: ARG002 - nothing is noted
    ) -> Tensors:
        """Answers or fails after its time."""
        await asyncio.sleep(BATCH_SECONDS + ROW_SECONDS * inputs.rows)
        if struct.pack("<f", POISON) in inputs.data[0]:
            raise ModelFailed(version.model, version.number, "failed")
        return await FakeBackend.infer(self, version, inputs, deadline)


@dataclass(slots=True)
class Desk:
    """A lane with one slot, in virtual time.

    Attributes:
        backend: Computes.
        served: The version.
        queue_rows: Rows that may wait.
    """

    backend: FakeBackend = field(default_factory=Slow)
    served: ModelVersion = field(default_factory=version)
    queue_rows: int = 100
    lanes: Lanes = field(init=False)

    async def open(self) -> None:
        """Loads the version."""
        self.lanes = Lanes(self.backend, LaneLimits(1, self.queue_rows, 1 << 30, 60.0))
        await self.lanes.load(self.served)

    def ask(self, tenant: str, inputs: Tensors, seconds: float | None = None) -> asyncio.Task[Tensors]:
        """Sends a call of a tenant that waits so long."""
        deadline = None if seconds is None else asyncio.get_running_loop().time() + seconds
        return asyncio.create_task(self.lanes.infer(self.served, inputs, deadline, tenant, Priority.NORMAL))

    def of(self, tenant: str | None) -> Statistics:
        """Returns what is told to a tenant; None for an operator."""
        return self.lanes.statistics(self.served, tenant)


def play(desk: Desk, scene: Coroutine[Any, Any, None]) -> None:
    """Plays a scene at a desk in virtual time."""

    async def work() -> None:
        await desk.open()
        await scene

    assert not run(work()).problems


def sizes(statistics: Statistics) -> dict[int, Any]:
    """Returns batches by their rows: how many, and what time they took."""
    return {size: (timing.count, pytest.approx(timing.seconds)) for size, timing in statistics.batch_sizes.items()}


def endings(of: Statistics) -> tuple[int, ...]:
    """Returns how many calls were answered, failed, were tried apart, expired, were cancelled, and were refused."""
    return of.succeeded.count, of.failed.count, of.retried, of.expired, of.cancelled, of.refused


def check_sums(total: Statistics, parts: Iterable[Statistics]) -> None:
    """Checks that tenants together did what was done."""
    parts = list(parts)
    for name in ("rows", "expired", "cancelled", "refused", "retried"):
        assert sum(getattr(part, name) for part in parts) == getattr(total, name)
    for name in ("succeeded", "failed", "queued"):
        assert sum(getattr(part, name).count for part in parts) == getattr(total, name).count
    for name in ("succeeded", "failed", "queued", "computed"):
        assert sum(getattr(part, name).seconds for part in parts) == pytest.approx(getattr(total, name).seconds)
    assert max((part.last_call for part in parts), default=0.0) == total.last_call


def test_a_batch_counts_once_for_each_tenant_in_it_with_its_own_rows() -> None:
    desk = Desk()

    async def scene() -> None:
        await asyncio.gather(
            desk.ask("a", rows(1)), desk.ask("b", rows(2, 3)), desk.ask("a", rows(4, 5)), desk.ask("b", rows(6, 7, 8))
        )

    play(desk, scene())
    total, a, b = desk.of(None), desk.of("a"), desk.of("b")
    assert [batch.rows for batch in desk.backend.batches] == [8]
    assert (total.rows, a.rows, b.rows) == (8, 3, 5)
    assert [each.computed.count for each in (total, a, b)] == [1, 1, 1]
    seconds = BATCH_SECONDS + 8 * ROW_SECONDS
    assert sizes(total) == {8: (1, seconds)}
    assert sizes(a) == {3: (1, seconds * 3 / 8)}
    assert sizes(b) == {5: (1, seconds * 5 / 8)}
    assert [each.succeeded.count for each in (total, a, b)] == [4, 2, 2]
    assert a.last_call == b.last_call == total.last_call > 0
    check_sums(total, [a, b])


def test_a_tenant_that_did_nothing_is_told_nothing() -> None:
    desk = Desk()

    async def scene() -> None:
        await desk.ask("a", rows(1))

    play(desk, scene())
    assert desk.of("b") == Statistics()
    assert desk.lanes.statistics(version(), "a") == Statistics()


@pytest.mark.parametrize("backend", [Slow(sequences=True), Slow()])
def test_calls_that_go_one_at_a_time_count_for_who_asked(backend: Slow) -> None:
    desk = Desk(backend, version(max_batch_size=8 if backend.sequences else 0))

    async def scene() -> None:
        gone = desk.ask("b", rows(4))
        calls = [desk.ask(tenant, rows(1)) for tenant in "aab"]
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(*calls)

    play(desk, scene())
    a, b = desk.of("a"), desk.of("b")
    assert (a.succeeded.count, b.succeeded.count, b.cancelled) == (2, 1, 1)
    assert desk.of("") == Statistics()
    check_sums(desk.of(None), [a, b])


def test_each_tenant_is_told_of_its_own_failures_alone() -> None:
    desk, errors = Desk(queue_rows=8), Counter[type[BaseException] | None]()

    async def scene() -> None:
        first = desk.ask("a", rows(1))
        await asyncio.sleep(0.01)
        waiting = [
            desk.ask("b", rows(POISON)),
            desk.ask("b", rows(2)),
            desk.ask("c", rows(3)),
            desk.ask("c", rows(4), 0.03),  # its batch leaves later
            desk.ask("d", rows(5)),
        ]
        await asyncio.sleep(0)
        waiting.append(desk.ask("e", rows(6, 7, 8, 9)))  # no room
        await asyncio.sleep(0)
        waiting[4].cancel()
        answers = await asyncio.gather(first, *waiting, return_exceptions=True)
        errors.update(type(answer) if isinstance(answer, BaseException) else None for answer in answers)

    play(desk, scene())
    assert errors == {None: 3, ModelFailed: 1, DeadlineExceeded: 1, asyncio.CancelledError: 1, Overloaded: 1}
    assert {tenant: endings(desk.of(tenant)) for tenant in (*"abcde", None)} == {
        "a": (1, 0, 0, 0, 0, 0),
        "b": (1, 1, 2, 0, 0, 0),
        "c": (1, 1, 1, 1, 0, 0),
        "d": (0, 1, 0, 0, 1, 0),
        "e": (0, 1, 0, 0, 0, 1),
        None: (3, 4, 3, 1, 1, 1),
    }
    check_sums(desk.of(None), map(desk.of, "abcde"))


class Ledger(Walk):
    """A walk after which every tenant's statistics are those of its own calls."""

    def __init__(self, script: bytes) -> None:
        super().__init__(script)
        self._parts: dict[ModelVersion, dict[str, Statistics]] = {}

    async def _load(self) -> None:
        await super()._load()
        served = self._live[-1]
        self._parts[served] = {tenant: self._lanes.statistics(served, tenant) for tenant in WALKING_TENANTS}

    def check(self) -> None:
        """Checks what each tenant is told, and that together it is what is told to operators."""
        super().check()
        for served, parts in self._parts.items():
            check_sums(self._statistics[served], parts.values())
            for tenant, statistics in parts.items():
                own = [(number, ask) for number, ask in enumerate(self._asks) if ask.tenant == tenant]
                ended = Counter(self._ending(number, ask) for number, ask in own if ask.served is served)
                batches = [size for size, timing in statistics.batch_sizes.items() for _ in range(timing.count)]
                check_statistics(statistics, ended, batches)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(SCRIPTS)
def test_whatever_happens_tenants_are_told_of_their_own_calls_and_together_of_all(script: bytes) -> None:
    ledger = Ledger(script)
    assert not run(ledger.follow()).problems
    ledger.check()


@pytest.mark.parametrize("counts", [(1,), (8,), (1, 1, 1), (3, 1, 2), (1,) * 7])
def test_answers_of_a_batch_are_told_parts_of_its_time_by_their_rows(counts: tuple[int, ...]) -> None:
    desk, seconds = Desk(), BATCH_SECONDS + sum(counts) * ROW_SECONDS

    async def scene() -> None:
        answers = await asyncio.gather(*(desk.ask("a", rows(*range(count))) for count in counts))
        assert sum(answer.seconds for answer in answers) == pytest.approx(desk.of(None).computed.seconds, rel=1e-12)
        assert [answer.seconds for answer in answers] == pytest.approx([seconds * n / sum(counts) for n in counts])

    play(desk, scene())
    assert len(desk.backend.batches) == 1


def test_a_call_of_a_model_without_batch_dimension_is_told_the_time_of_its_own() -> None:
    desk = Desk(served=version(max_batch_size=0))

    async def scene() -> None:
        for answer in await asyncio.gather(desk.ask("a", rows(1)), desk.ask("b", rows(2))):
            assert answer.seconds == pytest.approx(BATCH_SECONDS + ROW_SECONDS)

    play(desk, scene())


def test_a_call_that_is_tried_apart_is_told_the_time_of_the_try_that_answered() -> None:
    desk = Desk()

    async def scene() -> None:
        calls = [desk.ask("a", rows(1)), desk.ask("a", rows(2)), desk.ask("a", rows(3, POISON)), desk.ask("a", rows(4))]
        first, second, failed, last = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(failed, ModelFailed)
        assert [answer.seconds for answer in (first, second) if isinstance(answer, Tensors)] == pytest.approx(
            [(BATCH_SECONDS + 2 * ROW_SECONDS) / 2] * 2
        )
        assert isinstance(last, Tensors)
        assert last.seconds == pytest.approx(BATCH_SECONDS + ROW_SECONDS)

    play(desk, scene())


@dataclass(frozen=True, slots=True)
class Caller:
    """What statistics ask of a tenant, here one that may call everything."""

    name: str
    operator: bool = False

    def may_call(self, model: str) -> bool:  # noqa: ARG002 - everything
        """Says that it may."""
        return True


def test_a_tenant_is_told_of_itself_alone_and_an_operator_of_all() -> None:
    desk = Desk()

    async def scene() -> None:
        await asyncio.gather(desk.ask("a", rows(1, 2)), desk.ask("b", rows(3)))

    play(desk, scene())
    tenants: Any = None  # it is not asked: the request names no model
    routes = compile_routes({desk.served.model: live(desk.served)}, always)
    service = KServe(Pipeline(tenants, routes, FakeFeatures(), desk.lanes, NoTelemetry()), ready=True)
    callers: list[Any] = [Caller("a"), Caller("b"), Caller("c"), Caller("a", operator=True)]
    told = []
    for caller in callers:
        (stats,) = service.model_statistics(caller, service_pb2.ModelStatisticsRequest()).model_stats
        told.append((stats.inference_count, stats.inference_stats.success.count, len(stats.batch_stats)))
    assert told == [(2, 1, 1), (1, 1, 1), (0, 0, 0), (3, 2, 1)]
