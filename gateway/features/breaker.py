"""Tells when it makes no sense to wait for the store: by the share of its late answers, however they are spread."""

from collections import deque

WINDOW_SECONDS = 2.0
FEWEST = 4  # outcomes, before they say anything
SHARE = 0.5
PROBE_SECONDS = 0.1


class Breaker:
    """Closed while the store answers in time; open, one request at a time finds out whether it does again.

    Nobody waits for a probe. All times are in seconds of one clock.
    """

    def __init__(self) -> None:
        self._outcomes: deque[tuple[float, bool]] = deque()
        self._failed = 0
        self._next_probe = 0.0
        self.open = False

    def record(self, now: float, *, in_time: bool) -> None:
        """Takes the outcome of a request; a probe that is answered in time closes the breaker."""
        if self.open:
            if in_time:
                self.close()
            return
        self._outcomes.append((now, in_time))
        self._failed += not in_time
        self._forget(now - WINDOW_SECONDS)
        if len(self._outcomes) >= FEWEST and self._failed >= SHARE * len(self._outcomes):
            self.open = True
            self._next_probe = now + PROBE_SECONDS

    def probes(self, now: float) -> bool:
        """Says, of an open one, whether a probe may be sent; then it is."""
        if now < self._next_probe:
            return False
        self._next_probe = now + PROBE_SECONDS
        return True

    def close(self) -> None:
        """Takes that the store answers again."""
        self.open, self._failed = False, 0
        self._outcomes.clear()

    def _forget(self, before: float) -> None:
        while self._outcomes and self._outcomes[0][0] < before:
            self._failed -= not self._outcomes.popleft()[1]
