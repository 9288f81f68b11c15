"""Over asyncio a channel keeps the same promises, and cancelling a task cancels its call."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import gapura_client
import gapura_client.aio
import grpc
import grpc.aio
import pytest
import pytest_asyncio
from erpml.finance.v1.credit_service_pb2 import ScoreCreditRequest
from erpml.finance.v1.credit_service_pb2_grpc import CreditServiceStub

from tests.client.credit_server import CreditServer, Recorder, answer, listening, rich_status
from tests.client.statuses import CLASSES, invalid_fields, queue_full

if TYPE_CHECKING:
    from erpml.finance.v1.credit_service_pb2_grpc import CreditServiceAsyncStub  # of the type stubs only


@pytest_asyncio.fixture
async def stub(server: CreditServer) -> AsyncIterator["CreditServiceAsyncStub"]:
    """A stub with a key and a deadline of 3 seconds."""
    async with gapura_client.aio.connect(server.target, api_key="key-1", timeout_seconds=3) as channel:
        yield CreditServiceStub(channel)


async def test_key_and_default_deadline_travel(
    server: CreditServer, stub: "CreditServiceAsyncStub", applicant: ScoreCreditRequest
) -> None:
    response = await stub.ScoreCredit(applicant, metadata=(("x-request", "7"),))
    assert response.credit_limit_minor == 45
    assert (server.metadata[0]["x-api-key"], server.metadata[0]["x-request"]) == ("key-1", "7")
    assert 2 < server.seconds_left[0] < 4


async def test_callers_own_deadline_wins(
    server: CreditServer, stub: "CreditServiceAsyncStub", applicant: ScoreCreditRequest
) -> None:
    await stub.ScoreCredit(applicant, timeout=9)
    assert 8 < server.seconds_left[0] < 10


@pytest.mark.parametrize("code", CLASSES, ids=lambda code: code.name)
async def test_each_code_has_its_class(
    server: CreditServer, stub: "CreditServiceAsyncStub", applicant: ScoreCreditRequest, code: grpc.StatusCode
) -> None:
    server.fail(rich_status(code, "no"))
    with pytest.raises(gapura_client.GapuraError) as info:
        await stub.ScoreCredit(applicant)
    assert type(info.value) is CLASSES[code]


async def test_details_arrive(
    server: CreditServer, stub: "CreditServiceAsyncStub", applicant: ScoreCreditRequest
) -> None:
    server.fail(invalid_fields())
    with pytest.raises(gapura_client.InvalidArgument) as invalid:
        await stub.ScoreCredit(applicant)
    assert [violation.field for violation in invalid.value.violations] == ["age_years", "debt_ratio"]
    server.fail(queue_full())
    with pytest.raises(gapura_client.Overloaded) as overloaded:
        await stub.ScoreCredit(applicant)
    assert overloaded.value.retry_after_seconds == 0.25


async def test_grpc_error_handlers_still_fit(
    server: CreditServer, stub: "CreditServiceAsyncStub", applicant: ScoreCreditRequest
) -> None:
    """Code written against grpc.aio's own error keeps working."""
    server.fail(invalid_fields())
    with pytest.raises(grpc.aio.AioRpcError) as info:
        await stub.ScoreCredit(applicant)
    assert info.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_call_tells_its_code_without_raising(
    server: CreditServer, stub: "CreditServiceAsyncStub", applicant: ScoreCreditRequest
) -> None:
    server.fail(invalid_fields())
    call = stub.ScoreCredit(applicant)
    assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert await call.details() == "2 fields need a change"
    assert call.done()


async def test_done_callback_is_called(stub: "CreditServiceAsyncStub", applicant: ScoreCreditRequest) -> None:
    called = asyncio.Event()
    call = stub.ScoreCredit(applicant)
    call.add_done_callback(lambda _: called.set())
    await call
    await asyncio.wait_for(called.wait(), 20)


async def test_cancelled_task_cancels_its_call(
    server: CreditServer, stub: "CreditServiceAsyncStub", applicant: ScoreCreditRequest
) -> None:
    """The server learns at once that nobody waits for the answer."""
    server.hold()

    async def score() -> None:
        await stub.ScoreCredit(applicant)

    task = asyncio.create_task(score())
    assert await asyncio.to_thread(server.started.wait, 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(server.ended.wait, 20)


async def test_timeout_around_a_call_cancels_it(
    server: CreditServer, stub: "CreditServiceAsyncStub", applicant: ScoreCreditRequest
) -> None:
    server.hold()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await stub.ScoreCredit(applicant)
    assert await asyncio.to_thread(server.ended.wait, 20)


async def test_cancelled_call_raises_cancellation(
    server: CreditServer, stub: "CreditServiceAsyncStub", applicant: ScoreCreditRequest
) -> None:
    server.hold()
    call = stub.ScoreCredit(applicant)
    assert await asyncio.to_thread(server.started.wait, 20)
    assert call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert call.cancelled()


async def test_unavailable_is_tried_again(
    server: CreditServer, stub: "CreditServiceAsyncStub", applicant: ScoreCreditRequest
) -> None:
    server.fail(rich_status(grpc.StatusCode.UNAVAILABLE, "draining"), answer)
    assert (await stub.ScoreCredit(applicant)).credit_limit_minor == 45


async def test_many_calls_share_a_channel(stub: "CreditServiceAsyncStub") -> None:
    async def limit(age: int) -> int:
        response = await stub.ScoreCredit(ScoreCreditRequest(age_years=age))
        return response.credit_limit_minor

    assert await asyncio.gather(*map(limit, range(64))) == list(range(64))


@pytest.mark.parametrize("kind", ["unary_stream", "stream_unary", "stream_stream"])
async def test_streaming_calls_carry_the_key(kind: str) -> None:
    """Calls of every kind are admitted by key."""
    recorder = Recorder()
    with listening(recorder.join) as target:
        async with gapura_client.aio.connect(target, api_key="key-1") as channel:
            request = iter([b""]) if kind.startswith("stream") else b""
            call = getattr(channel, kind)("/erpml.Any/Any")(request)
            assert await call.code() is not grpc.StatusCode.OK
    assert recorder.metadata[0]["x-api-key"] == "key-1"
