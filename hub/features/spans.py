"""Spans of time as people write them: `500ms`, `30s`, `10m`, `12h`, `7d`."""

import re

_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SPAN = re.compile(r"([0-9]{1,12})(ms|s|m|h|d)")
_LONGEST_MS = 100 * 366 * _UNITS_MS["d"]


def read_span(text: object) -> int:
    """Returns a span in milliseconds.

    Raises:
        ValueError: It is none, or not between a millisecond and a hundred years.
    """
    match = _SPAN.fullmatch(str(text).strip())
    span_ms = int(match[1]) * _UNITS_MS[match[2]] if match else 0
    if not 0 < span_ms <= _LONGEST_MS:
        raise ValueError(f"{text!r} is no span of time: write a number from 1 and a unit, as in 500ms, 30s, 12h or 7d")
    return span_ms


def write_span(span_ms: float) -> str:
    """Returns a span in its largest unit that leaves a number from 1: 26 hours are `1.083d`."""
    for unit in ("d", "h", "m", "s"):
        if abs(span_ms) >= _UNITS_MS[unit]:
            return f"{span_ms / _UNITS_MS[unit]:.4g}{unit}"
    return f"{span_ms:.0f}ms"
