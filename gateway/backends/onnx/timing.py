"""How long runs of a version take, and what it costs to run in a thread instead of on the event loop."""

from collections import deque
from math import inf
from statistics import median
from time import perf_counter

from gateway.types import Tensors

# A run that was slower than expected counts at once, a faster one by this weight: a model of which one run in ten is
# slow counts as slow, and a disturbed run costs two or three hops.
FASTER = 0.5

# Hops of which the median is what a hop costs: the first starts a thread, and one in a hundred takes 4 ms.
LATEST_HOPS = 5

# A hop is measured again when the latest is older than this.
STALE_SECONDS = 1.0

# Bytes of inputs by their magnitude: up to 1, 3, 7, 15 ...
Magnitude = int


class RunTimes:
    """How long runs take, by the size of their inputs.

    Sizes up to twice as large count as one. It takes no shape of the growth for granted: a size that was not seen
    yet is not known.
    """

    def __init__(self) -> None:
        self._seconds: dict[Magnitude, float] = {}

    def expect(self, inputs: Tensors) -> float:
        """Returns the seconds that a run will take; infinite if inputs of such a size were not seen yet."""
        return self._seconds.get(magnitude(inputs), inf)

    def record(self, inputs: Tensors, seconds: float) -> None:
        """Learns from a run."""
        size = magnitude(inputs)
        expected = self._seconds.get(size, seconds)
        self._seconds[size] = max(seconds, expected + FASTER * (seconds - expected))

    def forget(self) -> None:
        """Lets go of what was learnt."""
        self._seconds.clear()


def magnitude(inputs: Tensors) -> Magnitude:
    """Returns the magnitude of a batch."""
    data = inputs.data
    return (len(data[0]) if len(data) == 1 else sum(map(len, data))).bit_length()


class Hops:
    """What it costs to run in a thread: waiting for it to start, and for the event loop to take the outcome back.

    The clock that measures this stands still while the loop itself runs a model: else such runs would make hops dear,
    and draw ever slower models onto the loop.

    Attributes:
        cost: Seconds that a hop costs; 0 while none was measured.
    """

    def __init__(self) -> None:
        self._latest: deque[float] = deque(maxlen=LATEST_HOPS)
        self.cost = 0.0
        self._stale_from = -inf
        self._stood = 0.0
        self._stands_since: float | None = None

    @property
    def stale(self) -> bool:
        """Says whether it is time to measure again."""
        return len(self._latest) < LATEST_HOPS or perf_counter() > self._stale_from

    def clock(self) -> float:
        """Returns the time in seconds, from any thread."""
        since = self._stands_since
        return (perf_counter() if since is None else since) - self._stood

    def stop_clock(self) -> None:
        """Lets the clock stand still; called on the event loop."""
        self._stands_since = perf_counter()

    def start_clock(self) -> None:
        """Lets the clock go on."""
        if self._stands_since is not None:
            self._stood += perf_counter() - self._stands_since
            self._stands_since = None

    def record(self, seconds: float) -> None:
        """Learns from a hop."""
        self._latest.append(seconds)
        self.cost = median(self._latest)
        self._stale_from = perf_counter() + STALE_SECONDS
