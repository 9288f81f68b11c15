"""Lanes: calls share batches, and never each other's fate."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.batching.admission import LaneLimits
from gateway.batching.lanes import Lanes
from gateway.batching.waiting import MOST_JOINED_BYTES
from gateway.errors import DeadlineExceeded, ModelFailed, Overloaded
from gateway.testing import FakeBackend
from gateway.traces import BatchTrace
from gateway.types import ModelVersion, Tensors
from tests.gateway.models import version


def call(*values: float) -> Tensors:
    """Returns a call of one row of two floats for each value."""
    return Tensors(len(values), ((2,),), (b"".join(struct.pack("<2f", value, -value) for value in values),))


class Untimed(Lanes):
    """Lanes whose answers do not say what time they took, which is never the same twice."""

    async def infer(self, *asked: Any, **noted: Any) -> Tensors:
        """Answers a call."""
        return (await super().infer(*asked, **noted))._replace(seconds=0.0)


@asynccontextmanager
async def lane(
    backend: FakeBackend, *, queue_rows: int = 100, queue_bytes: int = 1_000_000, max_batch_size: int = 8
) -> AsyncIterator[tuple[Lanes, ModelVersion]]:
    """Opens a lane with one slot."""
    lanes = Untimed(backend, LaneLimits(1, queue_rows, queue_bytes, 2.0))
    served = version(max_batch_size=max_batch_size)
    await lanes.load(served)
    yield lanes, served
    backend.open.set()
    await lanes.unload(served)


async def turns(number: int = 50) -> None:
    """Lets the event loop turn."""
    for _ in range(number):
        await asyncio.sleep(0)


async def test_concurrent_calls_leave_as_one_batch_and_get_their_own_rows() -> None:
    backend = FakeBackend()
    async with lane(backend) as (lanes, served):
        asked = [call(1), call(2, 3), call(4)]
        answers = await asyncio.gather(*(lanes.infer(served, each, None) for each in asked))
    assert [batch.rows for batch in backend.batches] == [4]
    assert answers == asked


async def test_calls_that_arrive_while_the_model_is_busy_share_the_next_batch() -> None:
    backend = FakeBackend()
    backend.open.clear()
    async with lane(backend) as (lanes, served):
        tasks = [asyncio.create_task(lanes.infer(served, call(0), None))]
        await turns()
        tasks += [asyncio.create_task(lanes.infer(served, call(value), None)) for value in (1, 2, 3)]
        await turns()
        assert [batch.rows for batch in backend.batches] == [1]
        backend.open.set()
        answers = await asyncio.gather(*tasks)
    assert [batch.rows for batch in backend.batches] == [1, 3]
    assert answers == [call(value) for value in (0, 1, 2, 3)]


async def test_a_call_does_not_wait_for_calls_that_never_stop_coming() -> None:
    backend = FakeBackend()
    async with lane(backend, queue_rows=10_000, max_batch_size=10_000) as (lanes, served):
        first = asyncio.create_task(lanes.infer(served, call(0), None))
        others: list[asyncio.Task[Tensors]] = []
        while not first.done():
            assert len(others) < 1_000
            others.append(asyncio.create_task(lanes.infer(served, call(1), None)))
            await asyncio.sleep(0)
        await asyncio.gather(*others)


async def test_a_batch_never_exceeds_the_largest_that_the_model_takes_and_no_call_is_cut() -> None:
    backend = FakeBackend()
    async with lane(backend, max_batch_size=4) as (lanes, served):
        asked = [call(1, 2, 3), call(4, 5), call(6, 7), call(8)]
        assert await asyncio.gather(*(lanes.infer(served, each, None) for each in asked)) == asked
    assert [batch.rows for batch in backend.batches] == [3, 4, 1]


async def test_calls_of_other_row_shapes_do_not_share_a_batch() -> None:
    backend = FakeBackend()
    async with lane(backend) as (lanes, served):
        other = Tensors(1, ((1,),), (b"1234",))
        assert await asyncio.gather(*(lanes.infer(served, each, None) for each in (call(1), other))) == [call(1), other]
    assert len(backend.batches) == 2


async def test_a_model_without_batch_dimension_gets_calls_one_at_a_time() -> None:
    backend = FakeBackend()
    async with lane(backend, max_batch_size=0) as (lanes, served):
        assert await asyncio.gather(*(lanes.infer(served, call(value), None) for value in (1, 2))) == [call(1), call(2)]
    assert [batch.rows for batch in backend.batches] == [1, 1]


async def test_only_the_culprit_of_a_failed_batch_fails() -> None:
    bad = call(13)
    backend = FakeBackend(
        fails=lambda inputs: ModelFailed("team9_test", 1, "13") if bad.data[0] in inputs.data[0] else None
    )
    async with lane(backend) as (lanes, served):
        asked = [call(1), bad, call(2)]
        results = await asyncio.gather(*(lanes.infer(served, each, None) for each in asked), return_exceptions=True)
        assert lanes.statistics(served).retried == 3
    assert (results[0], results[2]) == (asked[0], asked[2])
    assert isinstance(results[1], ModelFailed)


async def test_a_cancelled_call_leaves_the_lane_and_costs_no_row() -> None:
    backend = FakeBackend()
    backend.open.clear()
    async with lane(backend) as (lanes, served):
        first, second, third = (asyncio.create_task(lanes.infer(served, call(value), None)) for value in (1, 2, 3))
        await turns()
        late = [asyncio.create_task(lanes.infer(served, call(value), None)) for value in (4, 5)]
        await turns()
        late[0].cancel()
        backend.open.set()
        answers = await asyncio.gather(first, second, third, late[1])
        assert list(answers) == [call(value) for value in (1, 2, 3, 5)]
    assert [batch.rows for batch in backend.batches] == [3, 1]


async def test_a_call_whose_deadline_passes_in_the_lane_is_never_sent() -> None:
    backend = FakeBackend()
    backend.open.clear()
    async with lane(backend) as (lanes, served):
        first = asyncio.create_task(lanes.infer(served, call(1), None))
        await turns()
        late = asyncio.create_task(lanes.infer(served, call(2), asyncio.get_running_loop().time() + 0.01))
        await asyncio.sleep(0.02)
        backend.open.set()
        with pytest.raises(DeadlineExceeded):
            await late
        assert await first == call(1)
        assert lanes.statistics(served).expired == 1
    assert len(backend.batches) == 1


async def test_a_full_lane_refuses_at_once_and_says_when_to_try_again() -> None:
    backend = FakeBackend()
    backend.open.clear()
    async with lane(backend, queue_rows=2) as (lanes, served):
        waiting = [asyncio.create_task(lanes.infer(served, call(1), None))]
        await turns()
        waiting += [asyncio.create_task(lanes.infer(served, call(2, 3), None))]
        await turns()
        with pytest.raises(Overloaded, match="at most 2 rows") as refused:
            await lanes.infer(served, call(4), None)
        assert refused.value.retry_after_ms > 0
        backend.open.set()
        assert await asyncio.gather(*waiting) == [call(1), call(2, 3)]


async def test_a_model_that_answers_too_few_rows_fails_the_call() -> None:
    class Lossy(FakeBackend):
        async def infer(
            self,
            version: ModelVersion,
            inputs: Tensors,
            deadline: float | None,
            *,
            trace: BatchTrace | None = None,  # noqa: ARG002 - nothing is noted
        ) -> Tensors:
            outputs = await super().infer(version, inputs, deadline)
            return outputs._replace(rows=outputs.rows - 1)

    async with lane(Lossy()) as (lanes, served):
        with pytest.raises(ModelFailed, match="answered 0 rows to 1"):
            await lanes.infer(served, call(1), None)


async def test_unloading_waits_for_the_calls_in_the_lane() -> None:
    backend = FakeBackend()
    backend.open.clear()
    async with lane(backend) as (lanes, served):
        waiting = asyncio.create_task(lanes.infer(served, call(1), None))
        await turns()
        unloading = asyncio.create_task(lanes.unload(served))
        await turns()
        assert served in backend.loaded
        backend.open.set()
        assert await waiting == call(1)
        await unloading
        assert served not in backend.loaded


STEPS = st.lists(st.tuples(st.sampled_from(["call", "cancel", "turn", "hold", "open"]), st.integers(1, 4)), max_size=60)


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_every_call_gets_exactly_its_own_answer_whatever_the_order_of_things(steps: list[tuple[str, int]]) -> None:
    asyncio.run(walk(steps))


async def walk(steps: list[tuple[str, int]]) -> None:
    """Follows random steps; some values fail every batch that they are in."""
    backend = FakeBackend(
        fails=lambda inputs: ModelFailed("team9_test", 1, "7") if struct.pack("<f", 7.0) in inputs.data[0] else None
    )
    async with lane(backend) as (lanes, served):
        tasks: list[tuple[Tensors, asyncio.Task[Tensors]]] = []
        for number, (step, size) in enumerate(steps):
            if step == "call":
                inputs = call(*(float(number if size > 1 else 7) for _ in range(size)))
                tasks.append((inputs, asyncio.create_task(lanes.infer(served, inputs, None))))
            elif step == "cancel" and tasks:
                tasks[number % len(tasks)][1].cancel()
            elif step == "turn":
                await turns(size * 5)
            else:
                (backend.open.set if step == "open" else backend.open.clear)()
        backend.open.set()
        results = await asyncio.gather(*(task for _, task in tasks), return_exceptions=True)
        culprit = struct.pack("<f", 7.0)
        for (inputs, _), result in zip(tasks, results, strict=True):
            if isinstance(result, asyncio.CancelledError):
                continue
            assert isinstance(result, ModelFailed) if culprit in inputs.data[0] else result == inputs


async def test_joined_batches_and_the_queue_are_bounded_by_bytes() -> None:
    backend = FakeBackend()
    large = Tensors(1, ((MOST_JOINED_BYTES // 8,),), (bytes(MOST_JOINED_BYTES // 2),))
    async with lane(backend, queue_bytes=MOST_JOINED_BYTES) as (lanes, served):
        backend.open.clear()
        calls = [asyncio.create_task(lanes.infer(served, each, None)) for each in (large, large)]
        await turns()
        more = [asyncio.create_task(lanes.infer(served, each, None)) for each in (large, large, large)]
        await turns()
        backend.open.set()
        answers = await asyncio.gather(*calls, *more, return_exceptions=True)
    assert [batch.rows for batch in backend.batches] == [2, 2]
    assert [type(answer) for answer in answers].count(Overloaded) == 1


async def test_one_call_larger_than_the_queue_is_answered() -> None:
    async with lane(FakeBackend(), queue_bytes=1) as (lanes, served):
        assert await lanes.infer(served, call(1), None) == call(1)


async def test_a_call_learns_before_its_deadline_that_it_is_too_late_and_its_batch_keeps_the_slot() -> None:
    backend = FakeBackend()
    backend.open.clear()
    async with lane(backend) as (lanes, served):
        deadline = asyncio.get_running_loop().time() + 0.2
        with pytest.raises(DeadlineExceeded, match="allow more time"):
            await lanes.infer(served, call(1), deadline)
        assert asyncio.get_running_loop().time() < deadline
        after = asyncio.create_task(lanes.infer(served, call(2), None))
        await turns()
        assert len(backend.batches) == 1, "nothing more is sent to a model that is still busy"
        backend.open.set()
        assert await after == call(2)


async def test_a_batch_that_all_callers_left_may_end_by_itself() -> None:
    backend = FakeBackend()
    backend.open.clear()
    async with lane(backend) as (lanes, served):
        left = asyncio.create_task(lanes.infer(served, call(1), None))
        await turns()
        left.cancel()
        after = asyncio.create_task(lanes.infer(served, call(2), None))
        await turns()
        assert len(backend.batches) == 1
        backend.open.set()
        assert await after == call(2)
