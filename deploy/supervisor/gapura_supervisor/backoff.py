"""How long to wait before something that ended is started again."""

FIRST_DELAY_SECONDS = 0.2
LONGEST_DELAY_SECONDS = 5.0
GOOD_LIFE_SECONDS = 10.0


def deaths_in_a_row(before: int, lived_seconds: float) -> int:
    """Counts one more death; a good life forgets those before."""
    return 1 if lived_seconds >= GOOD_LIFE_SECONDS else before + 1


def restart_delay(deaths: int) -> float:
    """Returns how long to wait, in seconds, after so many deaths without a good life between them."""
    if deaths <= 1:
        return 0.0
    return min(FIRST_DELAY_SECONDS * 2.0 ** min(deaths - 2, 30), LONGEST_DELAY_SECONDS)
