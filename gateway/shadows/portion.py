"""How many rows a shadow is asked at once: few enough that whoever comes meanwhile hardly waits."""

MOST_ROWS = 64

# A batch may take this long, or half as long again as a single row where that alone takes longer.
QUICK_SECONDS, COMPANY = 0.000_5, 1.5

# Weight of the latest batch of a single row in what is known of their time.
WEIGHT = 0.2


class Portion:
    """Rows of the next batch: twice as many while batches are quick, half of it once one is not.

    It takes no shape of the growth for granted, as a line through two batches would: a first batch tells nothing of one
    that is 64 times as large.

    Args:
        max_batch_size: Most rows of one batch that the model takes; 0 where it has no batch dimension.

    Attributes:
        rows: Rows of the next batch.
    """

    def __init__(self, max_batch_size: int) -> None:
        self.rows = 1
        self._most = min(max(max_batch_size, 1), MOST_ROWS)
        self._single_seconds = 0.0

    def observe(self, rows: int, seconds: float) -> None:
        """Learns from a batch that was answered."""
        if rows == 1:
            known = self._single_seconds or seconds
            self._single_seconds = known + WEIGHT * (seconds - known)
        if seconds > max(QUICK_SECONDS, COMPANY * self._single_seconds):
            self.rows = max(min(rows, self.rows) // 2, 1)
        elif rows >= self.rows:
            self.rows = min(2 * self.rows, self._most)

    def fail(self) -> None:
        """Learns that a batch failed: the next calls are asked one by one."""
        self.rows = 1
