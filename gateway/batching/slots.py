"""How many batches of a model version may be under way at the same time."""

from gateway.batching.pace import Pace

# Weight of the latest batch in what is known of the batches that wait on the nodes, and of their usual size.
WEIGHT, SIZE_WEIGHT = 0.2, 0.1

# Batches that may wait on the nodes: fewer, and a node idles between two of them; more, and they only wait.
FEWEST_QUEUED, MOST_QUEUED = 0.6, 1.5
MOST_PER_PLACE = 8

# So many batches are sent before anything is changed, and of so many one finds a node idle: only those that do tell how
# long a batch takes. Source: Cardwell et al., "BBR: Congestion-Based Congestion Control", 2016.
LEARNING, PROBE_EVERY = 8, 16


class Slots:
    """How many batches may be under way: as many as the nodes answer without letting them wait.

    A batch that takes longer than one of its size that finds a node idle has waited there for the difference; by
    Little's law so many batches wait there now. One more slot is opened when there are too few, one closed when there
    are too many. Source: Brakmo and Peterson, "TCP Vegas", 1995.

    Args:
        fixed: The number, where an operator has chosen it.
        pace: Learns how long batches take.

    Attributes:
        limit: How many may be under way.
        taken: How many are.
        places: Batches that the nodes compute side by side.
        usual_rows: Rows of a batch, of late.
        hurried: Whether to keep the nodes' own queues empty, since something may come that has to go first.
    """

    def __init__(self, fixed: int | None, pace: Pace) -> None:
        self.limit = fixed or 1
        self.taken = 0
        self.places = 1
        self.usual_rows = 1.0
        self.hurried = False
        self._fixed = fixed is not None
        self._pace = pace
        self._queued = FEWEST_QUEUED
        self._sent = 0
        self._since_change = 0

    @property
    def free(self) -> bool:
        """Says whether another batch may leave."""
        idle_only = self.hurried or (not self._fixed and self._sent % PROBE_EVERY == 0)
        return self.taken < (min(self.places, self.limit) if idle_only else self.limit)

    @property
    def wait_seconds(self) -> float:
        """Returns how long a batch that is sent now waits on a node."""
        return max(self.taken - self.places + 1, 0) / self.places * self._pace.seconds(self.usual_rows)

    def fix(self, limit: int) -> None:
        """Sets the number for good."""
        self.limit, self._fixed = limit, True

    def take(self) -> bool:
        """Takes one; returns whether its batch finds a node idle."""
        self.taken += 1
        self._sent += 1
        return self.taken <= self.places

    def observe(self, rows: int, seconds: float, places: int, *, found_idle: bool, calls_wait: bool) -> None:
        """Learns from a batch that was answered.

        Args:
            rows: Its rows.
            seconds: How long it took.
            places: Batches that the nodes compute side by side.
            found_idle: Whether a node was idle when it was sent.
            calls_wait: Whether calls wait for a slot.
        """
        self.places = places
        self.usual_rows += SIZE_WEIGHT * (rows - self.usual_rows)
        usual = self._pace.seconds(rows) or seconds
        if found_idle or seconds < usual:
            self._pace.observe(rows, seconds)
        if self._fixed:
            return
        waited = max(seconds - usual, 0.0) / max(seconds, 1e-9)
        self._queued += WEIGHT * (waited * self.taken - self._queued)
        self._since_change += 1
        if self._sent >= LEARNING and self._since_change >= self.limit:
            self._adapt(calls_wait=calls_wait)
        self.limit = min(max(self.limit, places), MOST_PER_PLACE * places)

    def _adapt(self, *, calls_wait: bool) -> None:
        if self._queued > MOST_QUEUED:
            self.limit, self._since_change = self.limit - 1, 0
        elif self._queued < FEWEST_QUEUED and calls_wait:
            self.limit, self._since_change = self.limit + 1, 0
