"""A random walk through everything that can happen to the calls of a lane, and what must hold all along."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from gateway.batching.admission import LaneLimits
from gateway.batching.lanes import Lanes
from gateway.batching.waiting import MOST_JOINED_BYTES
from gateway.errors import DeadlineExceeded, ModelFailed, Overloaded, Unavailable
from gateway.types import PLAIN, ModelVersion, Priority, Statistics, Tensors, TensorSpec, Terms
from tests.gateway.batching.clock import VirtualLoop
from tests.gateway.batching.erratic import ROW, Erratic, Fate, Row
from tests.gateway.models import version

SETUP_BYTES, STEP_BYTES = 8, 4

# Turns of the loop in which a call that is cancelled may still be on its way to the backend.
LEAVING_TURNS = 3

KINDS = (((1,), PLAIN), ((1,), PLAIN), ((2,), PLAIN), ((1,), Terms((0,))), ((1,), Terms((), b"\x01")))
LARGE = MOST_JOINED_BYTES * 3 // 8 // ROW.size
TIMEOUTS = (None, None, 0.005, 0.05, 0.05, 0.4, 0.4, 3.0)
INPUTS = (TensorSpec("x", "INT64", (-1,)),)
OUTPUTS = (TensorSpec("y", "INT64", (-1,)),)


@dataclass(slots=True, eq=False)
class Ask:
    """A call, and what is known of it.

    Attributes:
        served: The version that it was sent to.
        inputs: Its rows.
        tenant: Who asks.
        priority: Its class.
        deadline: When its caller stops waiting.
        came: When it was sent.
        poisoned: Whether the model fails on it.
        lost: Whether the version was not served any more when it came.
        task: Ends as the call does.
        sent: Calls of the batches that it was in.
        left: Turn in which its caller left.
        ended: Turn in which its latest batch ended.
        answered: When it ended.
    """

    served: ModelVersion
    inputs: Tensors
    tenant: str
    priority: Priority
    deadline: float | None
    came: float
    poisoned: bool
    lost: bool = False
    task: asyncio.Task[Tensors] | None = None
    sent: list[frozenset[int]] = field(default_factory=list)
    left: int | None = None
    ended: int | None = None
    answered: float = 0.0


class Walk:
    """Follows a script of bytes: the first say what kind of lane it is, and every four after them are one step.

    Attributes:
        endings: How many calls ended how.
        steps: Steps of the script.
    """

    def __init__(self, script: bytes) -> None:
        setup, self._script = script[:SETUP_BYTES], script[SETUP_BYTES:]
        self.endings = Counter[str]()
        self.steps = len(self._script) // STEP_BYTES  # each call of a burst is one more
        self._asks: list[Ask] = []
        self._open: list[Ask] = []
        self._statistics: dict[ModelVersion, Statistics] = {}
        self._live: list[ModelVersion] = []
        self._recent: list[ModelVersion] = []
        self._closing: list[asyncio.Task[None]] = []
        self._newest: dict[tuple[ModelVersion, str, Priority], int] = {}
        self._most_places = 1
        self._problems: list[AssertionError] = []
        self._max_batch_size = (8, 4, 64, 1, 0, 16, 8, 32)[setup[0] % 8]
        self._slots = (None, 1, None, 2, 4, None, 1, 3)[setup[1] % 8]
        self._alone = setup[2] % 8 == 0
        self._backend = Erratic(sent=self._on_sent, ended=self._on_ended, sequences=self._alone)
        queue_rows, queue_bytes = (64, 8, 1000)[setup[3] % 3], (1 << 30, 4096, 16 << 20)[setup[4] % 3]
        self._lanes = Lanes(
            self._backend, LaneLimits(self._slots, queue_rows, queue_bytes, (0.1, 2.0, 60.0)[setup[5] % 3])
        )

    async def follow(self) -> None:
        """Goes all the steps, and then waits until every call has ended."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self._loop = loop
        await self._load()
        for start in range(0, len(self._script), STEP_BYTES):
            operation, one, two, three = self._script[start : start + STEP_BYTES]
            await self._step(operation % 32, one, two, three)
        await asyncio.wait([ask.task for ask in self._asks if ask.task] or [asyncio.create_task(asyncio.sleep(0))])
        lanes = self._lanes._lanes.copy()  # noqa: SLF001 - what a lane still holds shows nowhere else
        for served in self._live:
            await self._lanes.unload(served)
        await asyncio.gather(*self._closing)
        await asyncio.sleep(10)
        for lane in lanes.values():
            held = lane._waiting  # noqa: SLF001 - as above
            left = [*(turns.rows for turns in held._classes), *(len(turns.lines) for turns in held._classes)]  # noqa: SLF001 - as above
            assert (lane._slots.taken, len(lane._batches), len(held), held.rows, held.size) == (0, 0, 0, 0, 0)  # noqa: SLF001 - as above
            assert not any(left)

    async def _step(self, operation: int, one: int, two: int, three: int) -> None:  # noqa: C901 - a list of all that may happen
        if operation < 15:
            self._submit(one, two, three)
        elif operation < 17:
            self.steps += one % 16
            for number in range(one % 16):
                self._submit(one + 17 * number, two, three | 4)
        elif operation < 20:
            self._cancel(one)
        elif operation < 23:
            await asyncio.sleep(one / 10_000)
        elif operation < 24:
            await asyncio.sleep(one / 250)
        elif operation < 26:
            for _ in range(one % 12):
                await asyncio.sleep(0)
        elif operation < 30:
            fates = (Fate.ANSWERED, Fate.ANSWERED, Fate.ANSWERED, Fate.ANSWERED, Fate.ANSWERED, Fate.UNAVAILABLE)
            self._backend.fates.append((Fate.HANGING if one < 8 else fates[one % 6], (two + 1) / 5_000))
        elif operation < 31:
            self._backend.places_now = 1 + one % 4
            self._most_places = max(self._most_places, self._backend.places_now)
        elif one < 64:
            await self._replace(keeps=bool(two & 1))

    async def _load(self) -> None:
        served = version(INPUTS, OUTPUTS, number=len(self._statistics) + 1, max_batch_size=self._max_batch_size)
        await self._lanes.load(served)
        self._statistics[served] = self._lanes.statistics(served)
        self._live.append(served)
        self._recent = [*self._recent[-1:], served]

    async def _replace(self, *, keeps: bool) -> None:
        """Loads another version; the oldest is unloaded while its calls finish, unless it keeps being served."""
        await self._load()
        if not keeps or len(self._live) > 1:
            await asyncio.sleep(0)
            oldest = self._live.pop(0)
            self._closing.append(asyncio.create_task(self._unload(oldest)))

    async def _unload(self, served: ModelVersion) -> None:
        lane = self._lanes._lanes[served]  # noqa: SLF001 - what a lane still holds shows nowhere else
        await self._lanes.unload(served)
        assert (lane._slots.taken, len(lane._waiting), lane._waiting.rows, lane._waiting.size) == (0, 0, 0, 0)  # noqa: SLF001 - as above
        assert not self._backend.under_way.get(served)

    def _submit(self, one: int, two: int, three: int) -> None:
        number, now = len(self._asks), self._loop.time()
        large = three == 255 and one < 64
        shape, terms = ((LARGE,), PLAIN) if large else KINDS[one % len(KINDS)]
        rows = 1 if large or not self._max_batch_size else 1 + (one * one >> 8) % self._max_batch_size
        poisoned = three % 32 == 13
        padding = bytes(ROW.size * (shape[0] - 1))
        data = b"".join(ROW.pack(number, row, poisoned and row == 0) + padding for row in range(rows))
        timeout = TIMEOUTS[two >> 5]
        deadline = None if timeout is None else now + timeout * (1 + one / 256)
        # Every call names a version that is live, or was a moment ago.
        served = self._live[-1] if three % 32 else self._recent[0]
        tenant, priority = "abcdefgh"[two & 7 if two & 1 else 0], Priority((two >> 3) % 3)
        ask = Ask(served, Tensors(rows, (shape,), (data,), terms), tenant, priority, deadline, now, poisoned)
        ask.task = asyncio.create_task(self._ask(ask))
        self._asks.append(ask)
        self._open.append(ask)
        if deadline is not None and three % 4:
            self._loop.call_at(deadline, self._leave, ask)

    async def _ask(self, ask: Ask) -> Tensors:
        ask.lost = ask.served not in self._live
        try:
            return await self._lanes.infer(ask.served, ask.inputs, ask.deadline, ask.tenant, ask.priority)
        finally:
            ask.answered = self._loop.time()

    def _cancel(self, one: int) -> None:
        """Lets the caller of one of the latest calls leave."""
        while self._open:
            ask = self._open.pop(max(len(self._open) - 1 - one % 32, 0))
            if ask.task is not None and not ask.task.done():
                self._leave(ask)
                return

    def _leave(self, ask: Ask) -> None:
        if ask.task is not None and ask.task.cancel() and ask.left is None:
            ask.left = self._loop.turns

    def _on_sent(self, served: ModelVersion, inputs: Tensors, rows: list[Row]) -> None:
        """Keeps what is wrong with a batch that the backend is given: raised here, it would be the calls' answer."""
        try:
            self._check_sent(served, inputs, rows)
        except AssertionError as problem:
            self._problems.append(problem)

    def _check_sent(self, served: ModelVersion, inputs: Tensors, rows: list[Row]) -> None:
        calls = [call for call, row, _ in rows if row == 0]
        asks = [self._asks[call] for call in calls]
        assert [row[:2] for row in rows] == [
            (call, row) for call in calls for row in range(self._asks[call].inputs.rows)
        ]
        assert inputs.rows <= max(self._max_batch_size, 1)
        assert len(asks) == 1 or sum(len(ask.inputs.data[0]) for ask in asks) <= MOST_JOINED_BYTES
        assert len(asks) == 1 or not (self._alone or not self._max_batch_size)
        most = 1 if self._alone else self._slots or 8 * self._most_places
        assert self._backend.under_way[served] <= most
        batch = frozenset(calls)
        for call, ask in zip(calls, asks, strict=True):
            assert ask.served is served
            assert (ask.inputs.shapes, ask.inputs.terms) == (inputs.shapes, inputs.terms)
            self._check_awaited(ask)
            assert not ask.sent or (batch < ask.sent[-1] and any(self._asks[one].poisoned for one in ask.sent[-1]))
            if self._alone or not self._max_batch_size:
                line = served, ask.tenant, ask.priority
                assert self._newest.get(line, -1) < call, "it went before one that came earlier"
                self._newest[line] = call
            ask.sent.append(batch)
            ask.ended = None

    def _check_awaited(self, ask: Ask) -> None:
        """Checks that somebody still waits for a call that is sent."""
        assert ask.task is not None
        assert not ask.task.done() or ask.left is not None
        assert ask.left is None or self._loop.turns - ask.left <= LEAVING_TURNS, "it was sent after it had left"
        assert ask.deadline is None or ask.deadline > self._loop.time(), "it was sent after its deadline"

    def _on_ended(self, rows: list[Row]) -> None:
        for call, row, _ in rows:
            if row == 0:
                self._asks[call].ended = self._loop.turns

    def check(self) -> None:
        """Checks how every call ended, and that the statistics say so."""
        for problem in self._problems:
            raise problem
        endings: dict[ModelVersion, Counter[str]] = {served: Counter() for served in self._statistics}
        for number, ask in enumerate(self._asks):
            ending = self._ending(number, ask)
            endings[ask.served][ending] += 1
            self.endings[ending] += 1
            self.endings["tried apart"] += len(ask.sent) > 1
        for served, statistics in self._statistics.items():
            check_statistics(statistics, endings[served], self._backend.answered.get(served, []))

    def _ending(self, number: int, ask: Ask) -> str:  # noqa: PLR0911 - a list of all that may happen
        """Names how a call ended, if it may end so."""
        assert ask.task is not None
        if ask.task.cancelled():
            assert ask.left is not None
            if not ask.sent and not ask.answered:
                return "never came"
            if ask.ended is not None and 0 <= ask.left - ask.ended <= LEAVING_TURNS:
                return "left as it ended"
            return "left in flight" if ask.sent else "left waiting"
        error = ask.task.exception()
        if error is None:
            outputs = ask.task.result()
            assert outputs[:3] == ask.inputs[:3]
            assert not ask.poisoned
            return "answered"
        if isinstance(error, Overloaded):
            assert not ask.sent
            return error.reason
        if isinstance(error, DeadlineExceeded):
            assert ask.deadline is not None
            if not ask.sent:  # perhaps left out early, since its batch could not have been answered in time
                return "expired waiting"
            assert ask.answered >= ask.deadline - min(0.1 * (ask.deadline - ask.came), 0.1) - 1e-6
            return "expired in flight"
        if isinstance(error, ModelFailed):
            assert ask.poisoned
            assert ask.sent[-1] == {number}
            return "poisoned"
        assert isinstance(error, Unavailable), error
        if error.reason == "MODEL_NOT_SERVED":
            assert ask.lost
            assert not ask.sent
            return "not served"
        assert ask.sent
        return "node failed"


def check_statistics(statistics: Statistics, endings: Counter[str], batches: list[int]) -> None:
    """Checks that what is counted is exactly what happened."""
    unclear = endings["left as it ended"]  # its caller left in the turn of its answer, and never saw it
    submitted = endings.total() - endings["not served"] - endings["never came"]
    assert statistics.succeeded.count + statistics.failed.count == submitted
    assert 0 <= statistics.succeeded.count - endings["answered"] <= unclear
    assert statistics.refused == endings["QUEUE_FULL"] + endings["DEADLINE_UNREACHABLE"]
    gone = endings["left in flight"] + endings["left waiting"]
    expired = endings["expired in flight"] + endings["expired waiting"]
    assert statistics.expired >= expired
    assert 0 <= statistics.expired + statistics.cancelled - expired - gone <= unclear
    told = statistics.failed.count - statistics.refused - statistics.expired - statistics.cancelled
    assert 0 <= told - endings["poisoned"] - endings["node failed"] <= unclear
    assert statistics.rows == sum(batches)
    assert statistics.computed.count == len(batches)
    assert {rows: timing.count for rows, timing in statistics.batch_sizes.items()} == Counter(batches)
    for timing in (statistics.succeeded, statistics.failed, statistics.queued, statistics.computed):
        assert timing.seconds >= -1e-6 * timing.count
