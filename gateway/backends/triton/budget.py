"""Bounds second tries, so that a failing node does not multiply the load on the others."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

SHARE = 0.2
ALWAYS = 3


class RetryBudget:
    """At most a fifth of the batches under way, or three, are second tries; more of them wait for their turn."""

    def __init__(self) -> None:
        self.active = 0
        self._retrying = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    def spare(self) -> bool:
        """Says whether another second try may start now."""
        return self._retrying < max(ALWAYS, self.active * SHARE)

    @asynccontextmanager
    async def second_try(self) -> AsyncIterator[None]:
        """Waits until a second try may start, and holds its place until it ends."""
        while not self.spare():
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._wake()  # whoever is next takes the turn that came too late
                raise
        self._retrying += 1
        try:
            yield
        finally:
            self._retrying -= 1
            self._wake()

    def _wake(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
