"""Keeps the first requests after an outage from being many more than usual."""

GENTLE_SECONDS = 1.0
MEMORY = 10  # seconds
FACTOR = 1.7  # times the usual rate
LEAST = 20.0  # requests per second that are always allowed


class Pace:
    """Remembers how many requests a second are usual, and spaces those of the first second after an outage.

    All times are in seconds of one clock.
    """

    def __init__(self) -> None:
        self._seconds: list[int] = []
        self._second, self._sent = 0.0, 0
        self._gentle_until, self._gap, self._last = 0.0, 0.0, 0.0
        self._away = True

    def sent(self, now: float) -> None:
        """Counts a request."""
        self._last = now
        if self._away:
            return
        if now - self._second >= 1.0:
            # A second without requests is no usual one, nor is the one after an outage.
            if now - self._second < 2.0 and now >= self._gentle_until + 1.0:  # noqa: PLR2004 - the second just ended
                self._seconds = [*self._seconds[-MEMORY + 1 :], self._sent]
            self._second, self._sent = now, 0
        self._sent += 1

    def lose(self) -> None:
        """Takes that the store is away: what is sent to it says nothing."""
        self._away = True

    def recover(self, now: float) -> None:
        """Takes that the store is back after an outage."""
        self._away = False
        self._second, self._sent = now, 0
        if self._seconds:
            self._gap = 1.0 / max(FACTOR * sum(self._seconds) / len(self._seconds), LEAST)
            self._gentle_until = now + GENTLE_SECONDS

    def wait(self, now: float) -> float:
        """Returns for how long the next request has to wait."""
        if now >= self._gentle_until:
            return 0.0
        return max(0.0, self._last + self._gap - now)
