"""Virtual time: an event loop that never sleeps, so that hours of traffic pass in seconds and always the same way."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any
from unittest import mock


class Jumps(selectors.SelectSelector):
    """A selector that watches nothing: what the loop would sleep passes at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.turns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Lets the time pass until the next timer.

        Raises:
            RuntimeError: There is none, and nothing will ever happen any more.
        """
        if timeout is None:
            raise RuntimeError("everything waits for something that never comes")
        self.now += max(timeout, 0.0)
        self.turns += 1
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer.

    Attributes:
        tasks: Every task that was created in it.
        problems: What was brought before its exception handler.
    """

    def __init__(self) -> None:
        self._jumps = Jumps()
        super().__init__(self._jumps)
        self.tasks: list[asyncio.Task[Any]] = []
        self.problems: list[dict[str, Any]] = []
        self.set_exception_handler(lambda _, problem: self.problems.append(problem))
        self.set_task_factory(self._keep)  # type: ignore[arg-type] # a function that returns a Task

    def time(self) -> float:
        """Returns the virtual time, in seconds."""
        return self._jumps.now

    @property
    def turns(self) -> int:
        """Returns how often the loop has turned."""
        return self._jumps.turns

    def _keep(self, _: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **options: Any) -> asyncio.Task[Any]:
        task = asyncio.Task(work, loop=self, **options)
        self.tasks.append(task)
        return task


def run(work: Coroutine[Any, Any, None]) -> VirtualLoop:
    """Runs something in virtual time, by which lanes measure as well; returns the loop, which is closed."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        with mock.patch("gateway.batching.lane.perf_counter", loop.time):
            runner.run(work)
        return loop
