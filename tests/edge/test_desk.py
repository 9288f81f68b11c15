"""The desk of `native`: each call is answered once, a burst never holds the loop, and nothing of a call is kept."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count, islice
from time import monotonic, sleep
from traceback import extract_tb

import pytest

from gateway.calls import Call
from gateway.edge.calls import Sender, Traffic
from gateway.edge.endpoints import Table
from gateway.edge.native.begun import Begun, begin
from gateway.edge.native.desk import CANCEL, MOST_A_TURN, Desk, Metadata
from gateway.edge.native.unread import Event, Unread, UnreadCalls
from gateway.errors import Overloaded
from gateway.interfaces import Endpoint
from gateway.testing import FakeTelemetry

PATH = "/a/B"


@dataclass(slots=True)
class FakeFront:
    """Notes answers and refusals, each by the number of its call."""

    answers: dict[int, bytes] = field(default_factory=dict)
    refusals: dict[int, int] = field(default_factory=dict)

    def recv_batch_details(self, max_events: int, timeout_ms: int | None = None) -> Sequence[Event]:  # noqa: ARG002 - nothing ever comes
        """Has nothing: tests hand bursts over themselves."""
        return ()

    def respond(self, call_id: int, payload: bytes) -> bool:
        """Notes an answer."""
        assert call_id not in self.answers.keys() | self.refusals.keys()
        self.answers[call_id] = payload
        return True

    def fail(self, call_id: int, code: int, message: str, trailing_metadata: Metadata | None = None) -> bool:  # noqa: ARG002 - the codes suffice
        """Notes a refusal."""
        assert call_id not in self.answers.keys() | self.refusals.keys()
        self.refusals[call_id] = code
        return True


class Served:
    """A desk with one endpoint that holds its calls while it is closed.

    Attributes:
        is_taskless: Of the endpoint; every test is run with and without.
    """

    is_taskless = False

    def __init__(self, most: int = 1000) -> None:
        self.front, self.traffic, self.open, self.begun = FakeFront(), Traffic(most), asyncio.Event(), 0
        self.telemetry = FakeTelemetry()
        self.lane = asyncio.get_running_loop().create_future()
        self.shared = asyncio.get_running_loop().create_future()
        self.calls: list[Call] = []
        table: Table = {PATH: Endpoint(PATH, self._answer, self.is_taskless)}
        self.desk = Desk(self.front, [PATH], lambda: table, self.traffic, 100, self.telemetry)

    async def take(self, *events: Event, seconds_ago: float = 0.0) -> None:
        """Hands a burst over as the loop does, in a turn of its own."""
        asyncio.get_running_loop().call_soon(self.desk.take, events, monotonic() - seconds_ago)
        await asyncio.sleep(0)

    async def _answer(self, call: Call) -> bytes:
        if call.message == b"refuse":
            raise Overloaded("QUEUE_FULL", "too much", retry_after_ms=1)
        if call.message == b"cancelled":
            raise asyncio.CancelledError
        if call.message == b"unspeakable":
            raise Overloaded("QUEUE_FULL", "\ud800", retry_after_ms=1)
        if call.message == b"prompt":
            return b"prompt"
        self.begun += 1
        self.calls.append(call)
        if call.message == b"lane":
            await self.lane
        if call.message == b"shared":
            return bytes(await self.shared)
        await self.open.wait()
        return bytes(call.message)


@pytest.fixture(autouse=True, params=[False, True], ids=["in tasks", "taskless"])
def taskless(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the endpoint have tasks, or none."""
    monkeypatch.setattr(Served, "is_taskless", request.param)


def called(number: int, remaining: float | None = None, key: str = "key") -> Event:
    """Returns the event of a call."""
    return (0, number, 0, b"%d" % number, "peer", ((("x-api-key", key),), "peer", remaining))


def cancelled(number: int) -> Event:
    """Returns the event of a call whose caller has gone."""
    return (CANCEL, number, 0, None, None, None)


async def turn(times: int = 3) -> None:
    """Lets the loop turn."""
    for _ in range(times):
        await asyncio.sleep(0)


async def test_a_call_is_answered_once_its_work_has_ended() -> None:
    served = Served()
    served.open.set()
    await served.take(called(1), called(2))
    await turn()
    assert served.front.answers == {1: b"1", 2: b"2"}
    assert served.traffic.active == 0


async def test_a_burst_is_begun_a_part_a_turn() -> None:
    served = Served()
    await served.take(*map(called, range(100)))
    for turns in range(1, 100 // MOST_A_TURN + 1):
        assert served.begun == turns * MOST_A_TURN
        await turn(1)
    await turn()
    assert served.begun == 100
    served.open.set()
    await turn()
    assert served.front.answers == {number: b"%d" % number for number in range(100)}


async def test_a_call_whose_caller_goes_while_it_waits_is_never_begun() -> None:
    served = Served()
    await served.take(*map(called, range(MOST_A_TURN)), called(99), cancelled(99), called(100))
    await turn(5)
    assert served.begun == MOST_A_TURN + 1
    served.open.set()
    await turn()
    assert 99 not in served.front.answers.keys() | served.front.refusals.keys()
    assert served.front.answers[100] == b"100"


async def test_a_number_that_comes_again_after_a_cancellation_is_a_new_call() -> None:
    served = Served()
    served.open.set()
    await served.take(cancelled(7))
    await served.take(*map(called, range(MOST_A_TURN)), called(99), cancelled(99))
    await turn(5)
    await served.take(called(99), called(77))
    await turn()
    assert served.front.answers[99] == b"99"


async def test_a_call_whose_cancellation_overtakes_it_is_never_begun() -> None:
    served = Served()
    served.open.set()
    await served.take(cancelled(7))
    await served.take(called(7), called(8))
    await turn()
    assert served.front.answers == {8: b"8"}


async def test_cancellations_of_calls_that_have_ended_are_forgotten() -> None:
    served = Served()
    served.open.set()
    await served.take(*map(cancelled, range(10_000)))
    await served.take(called(0))
    await turn()
    assert served.front.answers == {0: b"0"}


async def test_calls_beyond_the_bound_are_refused_unread_those_that_wait_included() -> None:
    most = MOST_A_TURN + 10
    served = Served(most=most)
    await served.take(*map(called, range(most + 10)))
    assert served.front.refusals == dict.fromkeys(range(most, most + 10), 8)
    assert served.begun == MOST_A_TURN
    await served.take(cancelled(0), called(500))
    assert served.front.refusals[500] == 8
    served.open.set()
    await turn(5)
    await served.take(called(501))
    await turn()
    assert served.front.answers[501] == b"501"
    assert served.traffic.active == 0


async def test_messages_that_are_too_large_and_deadlines_that_have_passed_are_refused() -> None:
    served = Served()
    await served.take((0, 1, 0, bytes(101), "", ((), "", None)), called(2, -0.1))
    assert served.front.refusals == {1: 8, 2: 4}
    assert served.begun == 0


async def test_a_closed_desk_refuses_calls_and_ends_those_under_way_when_told() -> None:
    served = Served()
    await served.take(called(1))
    served.desk.close()
    await served.take(called(2))
    assert served.front.refusals == {2: 14}
    served.desk.cancel()
    await turn()
    assert served.front.refusals == {1: 14, 2: 14}
    assert served.traffic.active == 0


async def test_the_time_that_a_call_waits_unread_counts_and_what_would_come_too_late_is_refused_unread() -> None:
    served, clock = Served(), asyncio.get_running_loop().time
    first = clock()
    await served.take(*map(called, range(3 * MOST_A_TURN)), called(500, 1.0), seconds_ago=0.2)
    sleep(0.2)  # noqa: ASYNC251 - the loop is to stand still
    second = clock()
    await served.take(called(501, 0.5), called(502, 8.0), called(503), called(504, 1.0, key="other"))
    await turn(5)
    assert served.front.refusals == {501: 8}
    deadlines = {call.message: call.deadline for call in served.calls}
    served.open.set()
    await turn(5)
    assert deadlines[b"500"] == pytest.approx(first + 0.8, abs=0.05)
    assert deadlines[b"502"] == pytest.approx(second + 8.0, abs=0.05)
    assert deadlines[b"503"] is None
    assert deadlines[b"504"] == pytest.approx(second + 1.0, abs=0.05)


async def test_what_came_while_the_loop_stood_still_is_begun() -> None:
    served = Served()
    await served.take(*(called(number, 4.0) for number in range(100)), seconds_ago=2.0)
    await turn(5)
    assert not served.front.refusals
    assert served.begun == 100
    served.open.set()
    await turn()


async def test_a_call_that_is_refused_or_answered_without_a_wait_needs_no_task() -> None:
    served = Served()
    await served.take((0, 1, 0, b"refuse", "", ((), "", None)), (0, 2, 0, b"prompt", "", ((), "", None)))
    assert served.front.refusals == {1: 8}
    assert served.front.answers == {2: b"prompt"}
    assert len(asyncio.all_tasks()) == 1


async def test_a_call_that_waits_for_futures_alone_needs_no_task_where_its_endpoint_says_so() -> None:
    served = Served()
    await served.take((0, 1, 0, b"lane", "", ((), "", None)), called(2))
    assert len(asyncio.all_tasks()) == (1 if Served.is_taskless else 3)
    served.lane.set_result(None)
    await turn()
    assert len(asyncio.all_tasks()) == (1 if Served.is_taskless else 3)
    served.open.set()
    await turn()
    assert served.front.answers == {1: b"lane", 2: b"2"}
    assert served.traffic.active == 0


async def test_an_error_of_what_a_call_waits_for_is_told() -> None:
    served = Served()
    await served.take((0, 1, 0, b"lane", "", ((), "", None)))
    served.lane.set_exception(Overloaded("QUEUE_FULL", "too much", retry_after_ms=1))
    await turn()
    assert served.front.refusals == {1: 8}


async def test_an_error_says_where_in_the_work_it_was_raised() -> None:
    waited = asyncio.get_running_loop().create_future()
    ended: list[Begun] = []

    async def work() -> bytes:
        await waited
        raise ValueError("unexpected")

    begun = begin(work())
    assert isinstance(begun, Begun)
    begun.follow(ended.append, in_task=not Served.is_taskless)
    waited.set_result(None)
    await turn()
    assert ended == [begun]
    assert begun.error is not None
    frames = [frame.name for frame in extract_tb(begun.error.__traceback__)]
    assert frames[-1] == "work"
    assert "_go_on" not in frames


async def test_a_call_that_is_given_up_at_its_second_wait_ends() -> None:
    served = Served()
    await served.take((0, 1, 0, b"lane", "", ((), "", None)))
    served.lane.set_result(None)
    await turn()
    await served.take(cancelled(1))
    await turn()
    assert served.front.refusals == {1: 14}
    assert served.traffic.active == 0


async def test_a_call_that_ends_oddly_before_it_waits_holds_up_nobody() -> None:
    served = Served()
    await served.take((0, 1, 0, b"cancelled", "", ((), "", None)), (0, 2, 0, b"prompt", "", ((), "", None)))
    assert served.front.refusals == {1: 13}
    await served.take((0, 3, 0, b"prompt", "", ((), "", None)))
    assert served.front.answers == {2: b"prompt", 3: b"prompt"}


async def test_what_a_call_waits_for_is_cancelled_with_it_even_before_its_task_has_run() -> None:
    served = Served()
    served.desk.take([(0, 1, 0, b"lane", "", ((), "", None))], monotonic())
    served.desk.take([cancelled(1)], monotonic())
    await turn()
    assert served.lane.cancelled()
    assert served.front.refusals == {1: 14}
    assert served.traffic.active == 0


async def test_a_caller_does_not_wait_unread_behind_the_calls_of_another() -> None:
    served = Served()
    await served.take(*map(called, range(10 * MOST_A_TURN)), called(999, key="other"))
    await turn(1)
    assert b"999" in {call.message for call in served.calls}
    served.open.set()
    await turn(20)


async def test_a_refusal_that_cannot_be_written_holds_up_nobody() -> None:
    served = Served()
    await served.take((0, 1, 0, b"unspeakable", "", ((), "", None)), *map(called, range(10, 10 + MOST_A_TURN)))
    await turn(5)
    assert served.front.refusals == {1: 13}
    assert served.begun == MOST_A_TURN
    served.open.set()
    await turn()


async def test_calls_may_wait_for_one_and_the_same() -> None:
    served = Served()
    await served.take(*((0, number, 0, b"shared", "", ((), "", None)) for number in range(3)))
    served.shared.set_result(b"read once")
    await turn(5)
    assert served.front.answers == dict.fromkeys(range(3), b"read once")


async def test_who_sends_more_than_there_is_room_for_makes_room_for_others() -> None:
    served = Served(most=50)
    await served.take(*map(called, range(60)), called(100, key="other"), called(101, key="other"))
    assert served.front.refusals == dict.fromkeys(range(48, 60), 8)
    assert {b"100", b"101"} < {call.message for call in served.calls}
    served.open.set()
    await turn(5)
    assert len(served.front.answers) == 50


async def test_another_key_in_each_call_gives_no_more_turns_to_it() -> None:
    calls, strangers, left = UnreadCalls(Traffic()), count(100), set(range(10))

    def add(number: int, key: str) -> None:
        calls.add(Unread(called(number, key=key), Sender(key), 0.0), 0.0)

    for number in (*islice(strangers, 1000), *left):
        add(number, "mine" if number in left else f"{number}")
    for _ in range(3 * 1000 // MOST_A_TURN):
        left -= {unread.event[1] for unread in calls.take(MOST_A_TURN)}
        for number in islice(strangers, MOST_A_TURN):
            add(number, f"{number}")
    assert not left


async def test_nothing_is_kept_of_the_message_of_a_caller_that_has_gone() -> None:
    calls, unread = UnreadCalls(Traffic()), Unread(called(1), Sender(), 0.0)
    calls.add(unread, 0.0)
    assert calls.drop(1)
    assert unread.event[3] is None
    assert not list(calls.take(1))
