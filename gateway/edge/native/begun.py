"""Work that has begun outside a task: a call that ends before it waits for anything costs none."""

from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Generic, TypeVar, final

Result = TypeVar("Result")


@final
class Begun(Coroutine[Any, Any, Result], Generic[Result]):
    """What is left of work that waits for something; a task may go on with it.

    Args:
        work: It has run until it first waited.
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


def begin(work: Coroutine[Any, Any, Result]) -> Result | Begun[Result]:
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
    """Notes whether a future has been yielded and no task has taken it yet: until then nothing else may await it."""
    if awaited is not None:
        awaited._asyncio_future_blocking = blocking  # noqa: SLF001 - how futures and tasks speak to each other
