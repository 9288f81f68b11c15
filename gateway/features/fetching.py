"""Reads rows for many calls at once: one fetch per row whatever the demand, one request per tick, two under way."""

import asyncio
from collections import deque
from time import monotonic, time_ns

import structlog

from gateway.feature_views import Features
from gateway.features.breaker import PROBE_SECONDS, Breaker
from gateway.features.counts import FeatureCounts
from gateway.features.pace import Pace
from gateway.features.shelf import Shelf
from gateway.features.source import UNREAD, RowSource

MOST_REQUESTS = 2
MOST_KEYS = 256
LATE_LOOP_SECONDS = 0.002  # a timer that is so late says nothing of the store

FOR_EVER = float("inf")

log = structlog.get_logger(__name__)


class Fetch:
    """A row on its way.

    Attributes:
        shelf: Where it goes.
        entity: Whose it is.
        waiters: Calls that wait for it.
        features: What they use; None where the store did not answer in time.
        settled: Whether that is known.
        dirty: Whether the row was written meanwhile: what comes is not kept.
    """

    __slots__ = ("dirty", "entity", "features", "settled", "shelf", "waiters")

    def __init__(self, shelf: Shelf, entity: str) -> None:
        self.shelf = shelf
        self.entity = entity
        self.waiters: list[asyncio.Future[None]] = []
        self.features: Features | None = None
        self.settled = False
        self.dirty = False

    def settle(self, features: Features | None) -> None:
        """Lets the calls go on."""
        self.features, self.settled = features, True
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)
        self.waiters = []


class Batch:
    """Rows that are asked for together, by key.

    Attributes:
        fetches: The rows.
        timer: Lets their calls go on when the budget of the first is spent.
        in_time: Whether that has not happened.
    """

    __slots__ = ("fetches", "in_time", "timer")

    def __init__(self) -> None:
        self.fetches: dict[str, Fetch] = {}
        self.timer: asyncio.TimerHandle | None = None
        self.in_time = True


class Fetcher:
    """Fetches rows from a store.

    Args:
        source: The store.
        budget_seconds: For how long a call waits at most.
        counts: Where is counted what happens.

    Attributes:
        trust_seconds: For how long what is read may be believed at most.
    """

    def __init__(self, source: RowSource, budget_seconds: float, counts: FeatureCounts) -> None:
        self._source, self._budget = source, budget_seconds
        self._loop = asyncio.get_running_loop()
        self._counts = counts
        self._fetches: dict[str, Fetch] = {}
        self._waiting: deque[Batch] = deque()
        self._batch: Batch | None = None
        self._requests = 0
        self._flush: asyncio.Handle | None = None
        self._breaker, self._pace = Breaker(), Pace()
        self._tasks: set[asyncio.Task[None]] = set()
        self.trust_seconds = FOR_EVER

    def want(self, shelf: Shelf, entity: str) -> Fetch:
        """Returns the fetch of a row, which may be under way already."""
        key = shelf.prefix + entity
        fetch = self._fetches.get(key)
        if fetch is not None and fetch.shelf is shelf:
            self._counts.joined += 1
            return fetch
        fetch = Fetch(shelf, entity)
        batch = self._batch
        if batch is None or len(batch.fetches) >= MOST_KEYS:
            batch = self._begin()
            if batch is None:
                fetch.settled = True
                return fetch
        batch.fetches[key] = self._fetches[key] = fetch
        return fetch

    def wait(self, fetch: Fetch) -> asyncio.Future[None] | None:
        """Returns what to await before a row is used; None if it is there, or the store is away: nobody waits then.

        Each call waits for a future of its own: to cancel it is nobody else's matter.
        """
        if fetch.settled or self._breaker.open:
            return None
        waiter = self._loop.create_future()
        fetch.waiters.append(waiter)
        return waiter

    def changed(self, key: str) -> None:
        """Takes that a row was written: what is on its way may be what it was before."""
        fetch = self._fetches.get(key)
        if fetch is not None:
            fetch.dirty = True

    def lose(self) -> None:
        """Takes that the store may be away."""
        self._pace.lose()

    def doubt(self) -> None:
        """Takes that any row may have been written."""
        for fetch in self._fetches.values():
            fetch.dirty = True

    def recover(self) -> None:
        """Takes that the store is back."""
        self._breaker.close()
        self._pace.recover(monotonic())

    async def close(self) -> None:
        """Ends what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self) -> Batch | None:
        """Begins another batch; none while the store is away and what a probe can ask for is there."""
        if self._waiting and self._breaker.open:
            return None
        self._batch = batch = Batch()
        due = self._loop.time() + self._budget
        batch.timer = self._loop.call_at(due, self._expire, batch, due)
        self._waiting.append(batch)
        if self._flush is None and self._requests < MOST_REQUESTS:
            self._flush = self._loop.call_soon(self._send)
        return batch

    def _send(self) -> None:
        """Sends what waits, as far as requests may be under way."""
        self._flush = None
        while self._waiting and self._requests < MOST_REQUESTS:
            now = monotonic()
            pause = self._pause(now)
            if pause:
                self._flush = self._loop.call_later(pause, self._send)
                return
            self._requests += 1
            self._pace.sent(now)
            batch = self._waiting.popleft()
            if batch is self._batch:
                self._batch = None
            task = self._loop.create_task(self._read(batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _pause(self, now: float) -> float:
        """Returns for how long the next request has to wait."""
        if self._breaker.open and (self._requests or not self._breaker.probes(now)):
            return PROBE_SECONDS
        return self._pace.wait(now)

    async def _read(self, batch: Batch) -> None:
        """Reads a batch and settles it."""
        fetches, began = batch.fetches, monotonic()
        self._counts.reads += 1
        self._counts.rows += len(fetches)
        try:
            found = await self._source.read(list(fetches))
        except Exception:
            log.exception("rows could not be read")
            found = [UNREAD] * len(fetches)
        finally:
            self._requests -= 1
        lost = found.count(UNREAD)
        self._counts.unread += lost
        if batch.timer is not None:
            batch.timer.cancel()
        self._judge(batch, monotonic() - began, answered=lost < len(fetches))
        self._forget(batch)
        now, now_ms, trust_seconds = monotonic(), time_ns() // 1_000_000, self.trust_seconds
        for fetch, row in zip(fetches.values(), found, strict=True):
            until = now if fetch.dirty else now + trust_seconds
            fetch.settle(None if row is UNREAD else fetch.shelf.take(fetch.entity, row, now, now_ms, until))
        if self._waiting and self._flush is None:
            self._send()

    def _judge(self, batch: Batch, seconds: float, *, answered: bool) -> None:
        """Tells the breaker of an answer; what came too late for the calls was told when they went on."""
        if self._breaker.open:
            self._breaker.record(monotonic(), in_time=answered and seconds <= self._budget)
        elif batch.in_time:
            self._breaker.record(monotonic(), in_time=answered)

    def _expire(self, batch: Batch, due: float) -> None:
        """Lets the calls of a batch go on without their rows, which are of use to others when they come.

        If this loop itself is late, the answer may be there already: it is given the time to be seen.
        """
        late = self._loop.time() - due
        if late > LATE_LOOP_SECONDS and due:
            batch.timer = self._loop.call_later(LATE_LOOP_SECONDS, self._expire, batch, 0.0)
            return
        batch.in_time = False
        waiting = batch in self._waiting
        if due and (not waiting or self._requests == MOST_REQUESTS):
            self._breaker.record(monotonic(), in_time=False)
        for fetch in batch.fetches.values():
            fetch.settle(None)
        if waiting and not self._breaker.open:
            self._waiting.remove(batch)
            if batch is self._batch:
                self._batch = None
            self._forget(batch)

    def _forget(self, batch: Batch) -> None:
        """Takes that nobody can join the fetches of a batch any more; another catalog's of the same row stay."""
        for key, fetch in batch.fetches.items():
            if self._fetches.get(key) is fetch:
                del self._fetches[key]
