"""Pace: a thread that computes for long lets those that answer calls have the interpreter often."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from time import perf_counter, sleep
from typing import Any, TypeVar, overload

# Computing goes on for no longer than this at a time, so no call waits longer for the interpreter.
TURN_SECONDS = 0.0003
MOST_REST_SECONDS = 0.005

T = TypeVar("T")


class Pace:
    """Rests for as long as was computed, so that half of a core is the most that is taken.

    Args:
        rests: Whether it does; there is no need to where nobody else uses the interpreter.
    """

    def __init__(self, *, rests: bool = True) -> None:
        self._rests = rests
        self._since = perf_counter()

    def rest(self, turn_seconds: float = TURN_SECONDS) -> None:
        """Rests, if a turn is over."""
        worked = perf_counter() - self._since
        if worked > turn_seconds and self._rests:
            sleep(min(worked, MOST_REST_SECONDS))
            self._since = perf_counter()

    def over(self, items: Iterable[T]) -> Iterator[T]:
        """Yields items, and rests between them and after the last: what is made of them all takes a turn too."""
        self._since = perf_counter()
        for item in items:
            yield item
            self.rest()
        self.rest(0.0)


class Paced(Sequence[T]):
    """A sequence for the SDK's encoders, which take one item after the other: they rest between them.

    Args:
        items: What is in it.
        over: Yields items at a pace.
    """

    def __init__(self, items: Sequence[T], over: Callable[[Iterable[T]], Iterator[T]]) -> None:
        self._items = items
        self._over = over

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[T]: ...
    def __getitem__(self, place: int | slice) -> Any:
        return self._items[place]

    def __iter__(self) -> Iterator[T]:
        return self._over(self._items)
