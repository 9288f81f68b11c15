"""The mirror: shadows are asked what the champion was asked, when there is room, and nobody else notices."""

import asyncio
import struct
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest
import structlog
from tritonclient.grpc import model_config_pb2

from gateway.batching.admission import LaneLimits
from gateway.batching.lanes import Lanes
from gateway.errors import ModelFailed, Unavailable
from gateway.shadows.mirror import MOST_BYTES, MOST_CALLS, MOST_SHADOWS, PATIENCE_SECONDS
from gateway.shadows.portion import MOST_ROWS
from gateway.telemetry.families import SHADOW_CALLS, SHADOW_SHIFT
from gateway.testing import FakeBackend
from gateway.types import Shadow, Tensors, Terms
from tests.gateway.models import version
from tests.gateway.shadows.offers import (
    CHAMPION,
    OTHER,
    Counted,
    answered,
    champion,
    mirror_of,
    offer,
    until,
    until_done,
)

RIVAL = ("team9_test", "rival", "2")


@pytest.fixture
def counted(tmp_path: Path) -> Counted:
    """Counts."""
    return Counted(tmp_path)


async def test_a_shadow_is_asked_the_champions_inputs_and_scores_are_compared_row_by_row(counted: Counted) -> None:
    backend, call = FakeBackend(), answered(0.5, 0.25, 0.5, scores=(0.5, 0.5, 0.25))
    async with mirror_of(backend, counted) as mirror:
        offer(mirror, champion(), call)
        await until_done(mirror, 1)
        (told,) = mirror.describe()
    assert backend.batches == [call.inputs]
    assert counted.buckets(SHADOW_SHIFT, *RIVAL) == {0.0: 1, -0.2: 1, 0.26: 1}
    assert counted.numbers(SHADOW_CALLS, *RIVAL, "compared") == [1.0]
    assert told == {
        "model": "team9_test",
        "arm": "rival",
        "version": 2,
        "compared": 1,
        "shed": 0,
        "failed": 0,
        "queued": 0,
    }


async def test_offer_returns_before_anything_is_asked(counted: Counted) -> None:
    backend = FakeBackend()
    async with mirror_of(backend, counted) as mirror:
        offer(mirror, champion(), answered(1.0))
        assert backend.batches == []
        await until(lambda: backend.batches)


async def test_calls_that_gather_share_batches_that_grow_while_they_are_quick(counted: Counted) -> None:
    backend = FakeBackend()
    arm = champion(Shadow("rival", version(number=2, max_batch_size=1024)))
    async with mirror_of(backend, counted) as mirror:
        offer(mirror, arm, *(answered(float(value)) for value in range(200)))
        await until_done(mirror, 200)
    sizes = [batch.rows for batch in backend.batches]
    assert sum(sizes) == 200
    assert sizes[:3] == [1, 2, 4]
    assert 8 < max(sizes) <= MOST_ROWS


async def test_calls_of_other_shapes_or_terms_are_asked_apart(counted: Counted) -> None:
    backend, terms = FakeBackend(), Terms((0,), b"x")
    async with mirror_of(backend, counted) as mirror:
        calls = (answered(1.0), answered(2.0, terms=terms)) * 20
        offer(mirror, champion(), *calls)
        await until_done(mirror, 40)
    asked = {(batch.terms, row) for batch in backend.batches for row in struct.iter_unpack("<2f", batch.data[0])}
    assert asked == {(Terms(), (0.0, 1.0)), (terms, (0.0, 2.0))}
    assert sum(batch.rows for batch in backend.batches) == 40
    assert len(backend.batches) < 40


async def test_a_model_without_batch_dimension_is_asked_call_by_call(counted: Counted) -> None:
    backend = FakeBackend()
    single = version(number=2, max_batch_size=0)
    async with mirror_of(backend, counted) as mirror:
        offer(mirror, champion(Shadow("rival", single)), *(answered(1.0) for _ in range(10)))
        await until_done(mirror, 10)
    assert [batch.rows for batch in backend.batches] == [1] * 10


async def test_a_shadow_is_asked_its_share_of_calls(counted: Counted) -> None:
    async with mirror_of(FakeBackend(), counted) as mirror:
        offer(mirror, champion(Shadow("rival", OTHER, 0.25)), *(answered(1.0) for _ in range(4000)))
        (told,) = mirror.describe()
    assert 850 < told["queued"] + told["shed"] < 1150


async def test_a_shadow_without_share_is_asked_nothing(counted: Counted) -> None:
    backend = FakeBackend()
    async with mirror_of(backend, counted) as mirror:
        offer(mirror, champion(Shadow("rival", OTHER, 0.0)), *(answered(1.0) for _ in range(100)))
        assert mirror.describe() == []


async def test_a_call_of_which_every_item_was_left_out_is_not_offered_on(counted: Counted) -> None:
    backend = FakeBackend()
    async with mirror_of(backend, counted) as mirror:
        offer(mirror, champion(), answered())
        assert mirror.describe() == []


async def test_calls_beyond_the_bound_are_shed_and_counted(counted: Counted) -> None:
    backend = FakeBackend()
    async with mirror_of(backend, counted) as mirror:
        offer(mirror, champion(), *(answered(1.0) for _ in range(MOST_CALLS + 50)))
        (told,) = mirror.describe()
        assert (told["queued"], told["shed"]) == (MOST_CALLS, 50)
        assert counted.numbers(SHADOW_CALLS, *RIVAL, "shed") == [50.0]


async def test_bytes_beyond_the_bound_are_shed_and_some_are_left_for_other_shadows(counted: Counted) -> None:
    backend, size = FakeBackend(), MOST_BYTES // 20
    rival, second = Shadow("rival", OTHER), Shadow("second", version(number=3))
    async with mirror_of(backend, counted) as mirror:
        offer(mirror, champion(rival), *(answered(1.0, answer=bytes(size)) for _ in range(30)))
        offer(mirror, champion(second), *(answered(1.0, answer=bytes(size)) for _ in range(30)))
        queued = [told["queued"] for told in mirror.describe()]
        assert 8 <= queued[0] <= 10
        assert 3 <= queued[1] <= 5


async def test_a_view_keeps_all_that_it_is_a_part_of(counted: Counted) -> None:
    part = memoryview(bytes(MOST_BYTES))[:8]
    call = answered(1.0)
    async with mirror_of(FakeBackend(), counted) as mirror:
        offer(mirror, champion(), call._replace(outputs=call.outputs._replace(data=(part,))))
        (told,) = mirror.describe()
        assert (told["queued"], told["shed"]) == (0, 1)


async def test_room_is_free_again_once_calls_are_compared(counted: Counted) -> None:
    backend, size = FakeBackend(), MOST_BYTES // 3
    async with mirror_of(backend, counted) as mirror:
        for number in range(1, 6):
            offer(mirror, champion(), answered(1.0, answer=bytes(size)))
            await until_done(mirror, number)
        (told,) = mirror.describe()
    assert (told["compared"], told["shed"]) == (5, 0)


async def test_nothing_is_asked_while_the_places_are_taken_and_what_waits_too_long_is_shed(counted: Counted) -> None:
    backend = FakeBackend()
    taken = 1.0
    async with mirror_of(backend, counted, lambda: taken, PATIENCE_SECONDS) as mirror:
        offer(mirror, champion(), *(answered(1.0) for _ in range(20)))
        await asyncio.sleep(PATIENCE_SECONDS / 2)
        assert [told["queued"] for told in mirror.describe()] == [20]
        await until_done(mirror, 20)
        assert backend.batches == []
        assert [told["shed"] for told in mirror.describe()] == [20]
        taken = 0.0
        offer(mirror, champion(), answered(1.0))
        await until_done(mirror, 21)
        assert [told["compared"] for told in mirror.describe()] == [1]


async def test_nothing_is_asked_while_the_event_loop_has_other_work(counted: Counted) -> None:
    backend, loop = FakeBackend(), asyncio.get_running_loop()
    is_busy = True

    def work() -> None:
        end = loop.time() + 0.001
        while loop.time() < end:
            pass
        if is_busy:
            loop.call_soon(work)

    async with mirror_of(backend, counted) as mirror:
        work()
        offer(mirror, champion(), *(answered(1.0) for _ in range(5)))
        await asyncio.sleep(0.3)
        asked = len(backend.batches)
        is_busy = False
        assert asked == 0
        await until(lambda: backend.batches)


async def test_one_batch_is_under_way_at_a_time_whatever_shadows_there_are(counted: Counted) -> None:
    backend = FakeBackend()
    backend.open.clear()
    shadows = [Shadow(f"s{number}", version(number=number)) for number in range(2, 6)]
    async with mirror_of(backend, counted) as mirror:
        offer(mirror, champion(*shadows), answered(1.0), answered(2.0))
        await until(lambda: backend.batches)
        await asyncio.sleep(0.03)
        assert len(backend.batches) == 1
        backend.open.set()
        await until_done(mirror, 8)
        assert [told["compared"] for told in mirror.describe()] == [2] * 4


async def test_shadows_take_turns(counted: Counted) -> None:
    backend = FakeBackend()
    first, second = Shadow("first", version(number=2)), Shadow("second", version(number=3))
    async with mirror_of(backend, counted) as mirror:
        offer(mirror, champion(first), *(answered(1.0) for _ in range(100)))
        offer(mirror, champion(second), answered(7.0))
        await until(lambda: mirror.describe()[1]["compared"])
        assert len(backend.batches) <= 3


async def test_a_shadow_that_fails_is_counted_and_told_of_once(counted: Counted) -> None:
    gone = Unavailable("NODES_UNAVAILABLE", "none is ready")
    backend = FakeBackend(fails=lambda _: gone)
    with structlog.testing.capture_logs() as logs:
        async with mirror_of(backend, counted) as mirror:
            offer(mirror, champion(), *(answered(1.0) for _ in range(5)))
            await until_done(mirror, 5)
            assert [told["failed"] for told in mirror.describe()] == [5]
    assert counted.numbers(SHADOW_CALLS, *RIVAL, "failed") == [5.0]
    assert [(told["event"], told["reason"]) for told in logs] == [("a shadow fails", "NODES_UNAVAILABLE")]


async def test_only_the_call_that_the_model_fails_on_has_failed_and_room_is_as_it_was(counted: Counted) -> None:
    def fails(inputs: Tensors) -> Exception | None:
        poison = answered(13.0).inputs.data[0]
        return ModelFailed("team9_test", 2, "failed") if poison in inputs.data[0] else None

    kept = bytes(MOST_BYTES // 100)
    async with mirror_of(FakeBackend(fails=fails), counted) as mirror:
        offer(mirror, champion(), *(answered(float(value), answer=kept) for value in range(30)))
        await until_done(mirror, 30)
        assert [(told["compared"], told["failed"]) for told in mirror.describe()] == [(29, 1)]
        await asyncio.sleep(0)
        offer(mirror, champion(), *(answered(1.0, answer=kept) for _ in range(60)))
        assert [told["shed"] for told in mirror.describe()] == [11]


async def test_an_answer_of_other_rows_is_a_failure(counted: Counted) -> None:
    class Short(FakeBackend):
        async def infer(self, *asked: Any, **noted: Any) -> Tensors:
            outputs = await super().infer(*asked, **noted)
            return outputs._replace(rows=outputs.rows - 1)

    async with mirror_of(Short(), counted) as mirror:
        offer(mirror, champion(), answered(1.0, 2.0))
        await until_done(mirror, 1)
        assert [told["failed"] for told in mirror.describe()] == [1]


async def test_a_model_that_keeps_state_is_never_asked(counted: Counted) -> None:
    class Stateful(FakeBackend):
        def config(self, *_: object) -> bytes:
            state = model_config_pb2.ModelSequenceBatching()
            return bytes(model_config_pb2.ModelConfig(sequence_batching=state).SerializeToString())

    backend = Stateful()
    with structlog.testing.capture_logs() as logs:
        async with mirror_of(backend, counted) as mirror:
            offer(mirror, champion(), answered(1.0))
            await until_done(mirror, 1)
            assert [told["failed"] for told in mirror.describe()] == [1]
    assert backend.batches == []
    assert "keeps state" in logs[0]["problem"]


async def test_offer_raises_nothing_whatever_is_wrong_with_a_call(counted: Counted) -> None:
    view = memoryview(bytes(8))
    call = answered(1.0)
    broken = call._replace(outputs=call.outputs._replace(data=(view,)))
    view.release()
    with structlog.testing.capture_logs() as logs:
        async with mirror_of(FakeBackend(), counted) as mirror:
            offer(mirror, champion(), broken)
            offer(mirror, champion(), call)
            await until_done(mirror, 1)
            assert [told["compared"] for told in mirror.describe()] == [1]
    assert [told["event"] for told in logs] == ["a shadow fails"]


async def test_a_shadow_knows_nothing_of_the_caller(counted: Counted) -> None:
    caller: ContextVar[str] = ContextVar("caller", default="nobody")
    seen: list[str] = []

    class Curious(FakeBackend):
        async def infer(self, *asked: Any, **noted: Any) -> Tensors:
            seen.append(caller.get())
            return await super().infer(*asked, **noted)

    async with mirror_of(Curious(), counted) as mirror:
        caller.set("acme")
        offer(mirror, champion(), answered(1.0))
        await until_done(mirror, 1)
    assert seen == ["nobody"]


async def test_lanes_count_nothing_of_shadows_and_stay_free_for_calls(counted: Counted) -> None:
    backend = FakeBackend()
    lanes = Lanes(backend, LaneLimits(1, 100, 1_000_000, 2.0))
    for each in (CHAMPION, OTHER):
        await lanes.load(each)
    async with mirror_of(backend, counted, lanes.utilisation) as mirror:
        offer(mirror, champion(), *(answered(1.0) for _ in range(5)))
        await until_done(mirror, 5)
        assert [told["compared"] for told in mirror.describe()] == [5]
    assert lanes.statistics(OTHER).last_call == 0.0
    assert lanes.describe() == []


async def test_lanes_tell_what_part_of_their_places_is_taken() -> None:
    backend = FakeBackend()
    lanes = Lanes(backend, LaneLimits(1, 100, 1_000_000, 2.0))
    await lanes.load(CHAMPION)
    assert lanes.utilisation() == 0.0
    backend.open.clear()
    calls = [asyncio.create_task(lanes.infer(CHAMPION, answered(1.0).inputs, None)) for _ in range(3)]
    await asyncio.sleep(0)
    assert backend.batches == []
    assert lanes.utilisation() >= 1.0, "calls gather"
    await until(lambda: backend.batches)
    assert lanes.utilisation() >= 1.0
    backend.open.set()
    await asyncio.gather(*calls)
    await asyncio.sleep(0)
    assert lanes.utilisation() == 0.0


async def test_a_closed_mirror_has_ended_what_was_under_way(counted: Counted) -> None:
    backend = FakeBackend()
    backend.open.clear()
    others = asyncio.all_tasks()
    async with mirror_of(backend, counted) as mirror:
        offer(mirror, champion(), answered(1.0))
        await until(lambda: backend.batches)
        assert len(asyncio.all_tasks() - others) == 1
    assert asyncio.all_tasks() == others


async def test_a_call_whose_message_is_too_large_to_be_kept_is_shed(counted: Counted) -> None:
    backend = FakeBackend()
    async with mirror_of(backend, counted) as mirror:
        offer(mirror, champion(), answered(1.0)._replace(size=MOST_BYTES))
        offer(mirror, champion(), answered(2.0)._replace(size=8))
        await until(lambda: backend.batches)
        assert [each["shed"] for each in mirror.describe()] == [1]


async def test_shadows_of_earlier_catalogs_are_forgotten(counted: Counted) -> None:
    too_large = answered(1.0, answer=bytes(MOST_BYTES))
    async with mirror_of(FakeBackend(), counted) as mirror:
        for number in range(2, MOST_SHADOWS + 12):
            offer(mirror, champion(Shadow("rival", version(number=number))), too_large)
        told = [each["version"] for each in mirror.describe()]
    assert told == list(range(MOST_SHADOWS + 2, MOST_SHADOWS + 12))
