"""Work of calls outside of tasks: it runs at once until it waits, and goes on when what it waits for is there.

Nearly every call waits once, for its batch; a task for each would cost more than to read its message.
"""

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Generic, TypeVar, final

Result = TypeVar("Result")

Ended = Callable[["Begun"], None]


@final
class Begun:
    """What is left of the work of a call that waits for something.

    Args:
        work: It has run until it first waited.
        awaited: What it waits for: a future, or None for a turn of the event loop.

    Attributes:
        result: What it has come to, once it has ended well.
        error: What it has ended with otherwise.
        given_up: Whether somebody has told it to end.
    """

    __slots__ = ("_awaited", "_ended", "_task", "_work", "error", "given_up", "result")

    def __init__(self, work: Coroutine[Any, Any, Any], awaited: Any) -> None:
        self._work = work
        self._awaited = awaited
        self._task: asyncio.Task[Any] | None = None
        self.result: Any = None
        self.error: BaseException | None = None
        self.given_up = False

    def follow(self, ended: Ended, *, in_task: bool = False) -> None:
        """Goes on as soon as it can; `ended` is told when nothing is left of it.

        Args:
            ended: Takes what has ended.
            in_task: Whether the work needs a task from now on.
        """
        self._ended = ended
        self._wait(in_task=in_task)

    def cancel(self) -> None:
        """Ends the work; what nobody waits for any more is cancelled, as a task would do."""
        self.given_up = True
        (self._task or self._awaited).cancel()

    def _wait(self, *, in_task: bool) -> None:
        """Goes on later; who waits for no future, but for a turn of the loop, has a task for that."""
        if self._awaited is not None and not in_task:
            self._awaited.add_done_callback(self._go_on)
            return
        self._task = asyncio.get_running_loop().create_task(Rest(self._work, self._awaited))
        self._task.add_done_callback(self._take)

    def _go_on(self, _: object) -> None:
        try:
            self._awaited = self._work.send(None)
        except StopIteration as end:
            self.result = end.value
        except BaseException as error:  # noqa: BLE001 - whoever follows it looks at it
            raised = error.__traceback__
            self.error = error.with_traceback(raised and raised.tb_next)  # this frame would hold it, and be held by it
        else:
            mark(self._awaited, blocking=False)
            self._wait(in_task=False)
            return
        self._ended(self)

    def _take(self, task: asyncio.Task[Any]) -> None:
        self.error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if self.error is None:
            self.result = task.result()
        self._ended(self)


@final
class Rest(Coroutine[Any, Any, Result], Generic[Result]):
    """What is left of work that waits for something, for a task to go on with.

    Args:
        work: It has run until it waited.
        awaited: What it waits for: a future, or None for a turn of the event loop.
    """

    __slots__ = ("_awaited", "_is_told", "_work")

    def __init__(self, work: Coroutine[Any, Any, Result], awaited: Any) -> None:
        self._work = work
        self._awaited = awaited
        self._is_told = False

    def send(self, value: Any, /) -> Any:
        """Tells the task first what the work waits for; then goes on."""
        if self._is_told:
            return self._work.send(value)
        self._is_told, awaited, self._awaited = True, self._awaited, None
        mark(awaited, blocking=True)
        return awaited

    def throw(self, kind: Any, value: Any = None, traceback: TracebackType | None = None, /) -> Any:
        """Ends the wait with an error; what nobody waits for any more is cancelled, as the task would have done."""
        if not self._is_told:
            awaited = self.send(None)
            if awaited is not None:
                awaited.cancel()
        error = kind if value is None else value
        return self._work.throw(error if traceback is None else error.with_traceback(traceback))

    def close(self) -> None:
        """Ends the work."""
        self._work.close()

    def __await__(self) -> Any:
        raise TypeError("this is for a task")


def begin(work: Coroutine[Any, Any, Result]) -> Result | Begun:
    """Runs work until it ends or first waits.

    It must not ask for the current task until then, as `asyncio.timeout` does.

    Returns:
        Its result, or what is left of it.

    Raises:
        Exception: Whatever it raises.
    """
    try:
        awaited = work.send(None)
    except StopIteration as end:
        result: Result = end.value
        return result
    mark(awaited, blocking=False)
    return Begun(work, awaited)


def mark(awaited: Any, *, blocking: bool) -> None:
    """Notes whether a future has been yielded and nobody has taken it yet: until then nothing else may await it."""
    if awaited is not None:
        awaited._asyncio_future_blocking = blocking  # noqa: SLF001 - how futures and tasks speak to each other
