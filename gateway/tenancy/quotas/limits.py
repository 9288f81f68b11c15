"""What one tenant may ask for."""

from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a tenant, over all gateways together; None is no limit.

    Raises:
        ValueError: A limit is not above zero, or the burst is below it.

    Attributes:
        calls_per_second: Calls that are admitted in the long run.
        rows_per_second: Rows that are admitted in the long run.
        burst_seconds: How much may come at once after a pause: what the limits allow in this time, but at least 1.
        concurrency: Calls under way at the same time.
    """

    calls_per_second: float | None = None
    rows_per_second: float | None = None
    burst_seconds: float = 0.5
    concurrency: int | None = None

    def __post_init__(self) -> None:
        for limit in (self.calls_per_second, self.rows_per_second, self.concurrency):
            if limit is not None and not 0 < limit < inf:
                raise ValueError(f"a limit has to be above 0, not {limit}")
        if not 0 <= self.burst_seconds < inf:
            raise ValueError(f"the burst has to be 0 seconds or more, not {self.burst_seconds}")
