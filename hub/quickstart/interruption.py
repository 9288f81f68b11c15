"""Makes Ctrl-C, SIGTERM and a closed terminal one thing, which can wait while a process is started or stopped."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """Raises KeyboardInterrupt for any of the signals, at once or when the critical part is over.

    Attributes:
        count: Signals so far.
    """

    def __init__(self) -> None:
        self.count = 0
        self._held = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Takes the signals over; the previous handlers return afterwards."""
        previous = {number: signal.signal(number, self._receive) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Counts signals that arrive meanwhile, without raising."""
        self._held = True
        try:
            yield
        finally:
            self._held = False

    def _receive(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1
        if not self._held:
            raise KeyboardInterrupt
