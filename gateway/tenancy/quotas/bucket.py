"""A token bucket: what comes is paid with tokens, and tokens come back at a steady rate."""


class Bucket:
    """A token bucket that may be in debt: it is exact in the long run, whatever is taken at once.

    Args:
        rate: Tokens that come back each second.
        capacity: The most that it fills itself to; it starts full.

    Attributes:
        tokens: What was there at the time `at`; below 0 is debt.
        at: When that was, in seconds of the clock of `take`.
        taken: All that was ever taken.
        refused: All that was ever refused.
        unfit: The amount that was refused last; 0 once one was taken.
    """

    __slots__ = ("at", "capacity", "rate", "refused", "taken", "tokens", "unfit")

    def __init__(self, rate: float, capacity: float) -> None:
        self.rate = rate
        self.capacity = capacity
        self.tokens = capacity
        self.at = 0.0
        self.taken = 0.0
        self.refused = 0.0
        self.unfit = 0.0

    def take(self, amount: float, now: float) -> float:
        """Takes an amount if it is there, or if the bucket is full and can never hold as much.

        Returns:
            0 if it was taken, or else the seconds until it can be.
        """
        tokens = self.tokens
        if now > self.at:  # a clock that goes back brings nothing
            capacity = self.capacity
            if tokens < capacity:
                tokens += (now - self.at) * self.rate
                if tokens > capacity:  # noqa: PLR1730 - `min` takes as long as all the rest
                    tokens = capacity
            self.at = now
        if tokens >= amount or tokens >= self.capacity:
            self.tokens = tokens - amount
            self.taken += amount
            self.unfit = 0.0
            return 0.0
        self.tokens = tokens
        self.refused += amount
        self.unfit = amount
        return ((amount if amount < self.capacity else self.capacity) - tokens) / self.rate  # noqa: FURB136 - as above

    def level(self, now: float) -> float:
        """Returns the tokens that are there now."""
        if self.tokens >= self.capacity or now <= self.at:
            return self.tokens
        return min(self.capacity, self.tokens + (now - self.at) * self.rate)

    def resize(self, rate: float, capacity: float) -> None:
        """Changes rate and capacity; a bucket that was half full stays half full."""
        self.tokens *= capacity / self.capacity
        self.rate, self.capacity = rate, capacity

    def refill(self, tokens: float, now: float) -> None:
        """Replaces the tokens; they may be more than it fills itself to."""
        self.tokens, self.at = tokens, max(self.at, now)
