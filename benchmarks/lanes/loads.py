"""Loads that look at every answer: callers that ask one after the other, and callers that keep a pace."""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, cycle
from time import perf_counter

import numpy as np

from benchmarks.lanes.contestants import Contestant
from benchmarks.measuring.http2 import DEADLINE_EXCEEDED, OK, RESOURCE_EXHAUSTED, Connection, Reply, connect
from benchmarks.measuring.questions import Question
from benchmarks.measuring.ratios import percentile_ms

TICK_SECONDS = 0.002
LAST_ANSWERS_SECONDS = 3.0
SHED = (DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED)
"""Codes that a call may get for no fault but that there were too many."""

NOBODY = -1
"""Code of a call that got no answer at all."""


@dataclass(slots=True)
class Tally:
    """What became of the calls of one load.

    Attributes:
        codes: How many calls ended with each gRPC code.
        latencies: Of answered calls, in seconds from the moment when they were due.
        problems: What was wrong with answers, and messages of errors.
        wrong: Answers that were wrong.
        seconds: For which calls were made.
    """

    codes: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    problems: Counter[str] = field(default_factory=Counter)
    wrong: int = 0
    seconds: float = 0.0

    def take(self, question: Question, due: float, reply: Reply) -> None:
        """Counts a call that ended."""
        self.codes[reply.code] += 1
        if reply.code == OK:
            self.latencies.append(perf_counter() - due)
            problem = question.problem(reply.message)
            self.wrong += bool(problem)
        else:
            problem = f"{reply.code}: {reply.text}"
        if problem:
            self.problems[problem] += 1

    @property
    def calls(self) -> int:
        """All of them."""
        return self.codes.total()

    def failed(self, *allowed: int) -> int:
        """Returns how many calls ended otherwise than with OK or one of these codes."""
        return sum(number for code, number in self.codes.items() if code not in (OK, *allowed))

    def percentile_ms(self, share: float) -> float:
        """Returns the latency that this share of the answered calls stayed below."""
        return percentile_ms(self.latencies, share)

    def answered_within(self, seconds: float) -> int:
        """Returns how many calls were answered in time."""
        return int(np.count_nonzero(np.asarray(self.latencies) <= seconds)) - self.wrong


class Client:
    """Connections to a contestant, used in turn.

    Args:
        connections: They are open.
    """

    def __init__(self, connections: Sequence[Connection]) -> None:
        self._connections = connections
        self._turns: Iterator[Connection] = cycle(connections)

    def call(self, question: Question, due: float, tally: Tally) -> asyncio.Future[None]:
        """Makes a call; the future is done when it has ended and is counted."""
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def end(reply: Reply) -> None:
            tally.take(question, due, reply)
            if not ended.done():
                ended.set_result(None)

        next(self._turns).call(question.body, end)
        return ended

    def flush(self) -> None:
        """Sends what has gathered."""
        for connection in self._connections:
            connection.flush()

    def close(self) -> None:
        """Hangs up."""
        for connection in self._connections:
            connection.close()


async def open_client(contestant: Contestant, connections: int, timeout_ms: int | None = None) -> Client:
    """Connects; with a timeout, the server is told with every call how long its caller waits."""
    deadline = (("grpc-timeout", f"{timeout_ms}m"),) if timeout_ms else ()
    headers = (*contestant.headers, *deadline)
    return Client([await connect(contestant.address, headers) for _ in range(connections)])


async def ask_in_turn(
    contestant: Contestant, callers: int, seconds: float, *, connections: int = 8, timeout_ms: int | None = None
) -> Tally:
    """Lets callers ask, the next question when the last is answered."""
    client, tally = await open_client(contestant, min(connections, callers), timeout_ms), Tally()
    questions, numbers, start = contestant.questions, count(), perf_counter()

    async def caller() -> None:
        while perf_counter() - start < seconds:
            ended = client.call(questions[next(numbers) % len(questions)], perf_counter(), tally)
            client.flush()
            await ended

    asking = {asyncio.create_task(caller()) for _ in range(callers)}
    _, late = await asyncio.wait(asking, timeout=seconds + LAST_ANSWERS_SECONDS)
    tally.seconds = perf_counter() - start
    return await give_up(client, late, tally)


async def ask_at_pace(
    contestant: Contestant,
    per_second: float,
    seconds: float,
    *,
    connections: int = 8,
    timeout_ms: int | None = None,
) -> Tally:
    """Makes calls at a pace that slow answers do not change; each is timed from the moment when it was due."""
    client, tally = await open_client(contestant, connections, timeout_ms), Tally()
    questions, start, made = contestant.questions, perf_counter(), 0
    under_way: set[asyncio.Future[None]] = set()
    while (now := perf_counter() - start) < seconds:
        while made <= now * per_second:
            ended = client.call(questions[made % len(questions)], start + made / per_second, tally)
            under_way.add(ended)
            ended.add_done_callback(under_way.discard)
            made += 1
        client.flush()
        await asyncio.sleep(TICK_SECONDS)
    tally.seconds = perf_counter() - start
    _, late = await asyncio.wait(under_way, timeout=LAST_ANSWERS_SECONDS) if under_way else (None, set())
    return await give_up(client, late, tally)


async def give_up(client: Client, late: Collection[asyncio.Future[None]], tally: Tally) -> Tally:
    """Hangs up; calls that got no answer for so long are counted as such."""
    for each in late:
        each.cancel()
    final = replace(tally, codes=tally.codes.copy(), problems=tally.problems.copy())
    client.close()
    await asyncio.sleep(0)
    if late:
        final.codes[NOBODY] += len(late)
        final.problems["no answer at all"] += len(late)
    return final
