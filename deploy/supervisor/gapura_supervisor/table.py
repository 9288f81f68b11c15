"""Text tables of what runs."""

from collections.abc import Sequence

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


def align(rows: Sequence[Sequence[str]]) -> str:
    """Returns rows as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def span(seconds: float) -> str:
    """Puts a span of time into its largest unit."""
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), _UNITS[-1])
    return f"{seconds // size:.0f} {unit}"
