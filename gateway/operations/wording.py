"""Numbers and times as people read them."""

from datetime import UTC, datetime

NOTHING = "\N{EN DASH}"
MINUTE, HOUR, DAY = 60, 3600, 86_400


def seconds(value: float | None) -> str:
    """Writes a duration in the unit that fits, with three digits."""
    if not value:
        return NOTHING if value is None else "0 s"
    size = abs(value)
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if size * factor >= 1 or unit == "µs":
            return f"{digits(value * factor)} {unit}"
    return NOTHING


def digits(value: float) -> str:
    """Writes a number with three digits, or all before the point."""
    size = abs(value)
    if size and size < 0.0995:  # noqa: PLR2004 - what is 0.10 when rounded
        return f"{value:.3f}"
    return f"{value:,.0f}" if size >= 99.95 else f"{value:.1f}" if size >= 9.995 else f"{value:.2f}"  # noqa: PLR2004 - as above


def score(value: float | None) -> str:
    """Writes a score, or by how much one is above another."""
    return NOTHING if value is None else digits(value) if value else "0"


def rate(value: float | None) -> str:
    """Writes how much there is each second."""
    return NOTHING if value is None else "0/s" if not value else f"{digits(value)}/s"


def count(value: float | None) -> str:
    """Writes a whole number."""
    return NOTHING if value is None else f"{round(value):,}"


def percent(share: float | None) -> str:
    """Writes a share; one that is not nothing never looks like it."""
    if share is None:
        return NOTHING
    if not share:
        return "0 %"
    value = share * 100
    return "< 0.01 %" if value < 0.01 else f"{value:.2f} %" if value < 1 else f"{value:.1f} %"  # noqa: PLR2004 - two digits


def change(now: float | None, before: float | None) -> str:
    """Writes by how much something is more or less than before."""
    if now is None or not before:
        return NOTHING
    value = (now / before - 1) * 100
    return "±0 %" if round(value) == 0 else f"{value:+,.0f} %"


def span(value: float) -> str:
    """Writes a longer time, in the two largest units."""
    whole = max(round(value), 0)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        exact = whole < 10 * MINUTE and whole % MINUTE
        return f"{whole // MINUTE} min {whole % MINUTE} s" if exact else f"{whole // MINUTE} min"
    if whole < DAY:
        return f"{whole // HOUR} h {whole % HOUR // MINUTE} min"
    return f"{whole // DAY} d {whole % DAY // HOUR} h"


def moment(value: float) -> str:
    """Writes a time, given in seconds since 1970, in UTC."""
    return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M:%S")


def clock(value: float) -> str:
    """Writes the time of day, to a millisecond, in UTC."""
    return datetime.fromtimestamp(value, UTC).strftime("%H:%M:%S.%f")[:-3]
