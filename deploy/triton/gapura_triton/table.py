"""The table of nodes that `gapura triton status` prints."""

import time
from collections.abc import Sequence

from gapura_triton.node import Node, read_state
from gapura_triton.processes import memory_mib

_HEADS = ("NAME", "STATE", "ADDRESS", "PID", "MIB", "RESTARTS", "SINCE", "LAST END")
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


def describe(nodes: Sequence[Node]) -> str:
    """Returns aligned columns, or `no nodes`."""
    if not nodes:
        return "no nodes"
    rows = [_HEADS, *(_row(node) for node in nodes)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _row(node: Node) -> tuple[str, ...]:
    state = read_state(node)
    return (
        node.name,
        state.phase,
        node.address,
        str(state.pid or "-"),
        str(memory_mib(node.mark)) if state.pid else "-",
        str(state.restarts),
        span(time.time() - state.since),
        state.last_end or "-",
    )


def span(seconds: float) -> str:
    """Puts a span of time into its largest unit."""
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), _UNITS[-1])
    return f"{seconds // size:.0f} {unit}"
