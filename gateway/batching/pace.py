"""How long the batches of a model version take."""

from math import inf, sqrt

# Weight of the latest batch; the one before counts for a twentieth less, and so on.
WEIGHT = 0.05

# A batch that took this many times what was expected counts for no more: the machine, not the model, was slow.
MOST_SURPRISE = 4.0
KNOWN_SAMPLES = 5


class Pace:
    """How long batches take by their rows: a fixed time and a time for each row, learnt from every batch.

    The line is the least squares of what was observed, weighted by age. It never falls: a larger batch is not
    expected to be faster.
    """

    def __init__(self) -> None:
        self._samples = 0
        self._usual_rows = 0.0
        self._usual_seconds = 0.0
        self._variance = 0.0
        self._covariance = 0.0
        self._fixed = 0.0
        self._per_row = 0.0
        self._surprise = 0.0

    @property
    def spread(self) -> float:
        """Returns by what part of what is expected batches usually take more or less: a standard deviation."""
        return sqrt(self._surprise)

    def observe(self, rows: int, seconds: float) -> None:
        """Learns from a batch that did not wait for another."""
        expected = self.seconds(rows)
        if self._samples >= KNOWN_SAMPLES:
            seconds = min(seconds, MOST_SURPRISE * expected)
        self._samples += 1
        weight = max(WEIGHT, 1 / self._samples)
        if expected:
            self._surprise += weight * ((seconds / expected - 1) ** 2 - self._surprise)
        off_rows, off_seconds = rows - self._usual_rows, seconds - self._usual_seconds
        self._usual_rows += weight * off_rows
        self._usual_seconds += weight * off_seconds
        self._variance = (1 - weight) * (self._variance + weight * off_rows * off_rows)
        self._covariance = (1 - weight) * (self._covariance + weight * off_rows * off_seconds)
        slope = max(self._covariance / self._variance, 0.0) if self._variance else 0.0
        self._per_row = min(slope, self._usual_seconds / self._usual_rows)  # nothing is fixed if every row costs it all
        self._fixed = self._usual_seconds - self._per_row * self._usual_rows

    def seconds(self, rows: float) -> float:
        """Returns how long a batch of so many rows is expected to take; 0 while nothing is known."""
        return self._fixed + self._per_row * rows

    def rows_within(self, seconds: float) -> float:
        """Returns how many rows a batch may have that takes so long; infinite while no more rows mean more time."""
        return (seconds - self._fixed) / self._per_row if self._per_row else inf
