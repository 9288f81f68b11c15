"""The table of nodes that `gapura triton status` prints."""

import time
from collections.abc import Sequence

from gapura_supervisor.processes import memory_mib
from gapura_supervisor.table import align, span

from gapura_triton.node import Node, read_state
from gapura_triton.processes import marked

_HEADS = ("NAME", "STATE", "ADDRESS", "PID", "MIB", "RESTARTS", "SINCE", "LAST END")


def describe(nodes: Sequence[Node]) -> str:
    """Returns aligned columns, or `no nodes`."""
    if not nodes:
        return "no nodes"
    return align([_HEADS, *(_row(node) for node in nodes)])


def _row(node: Node) -> tuple[str, ...]:
    state = read_state(node)
    return (
        node.name,
        state.phase,
        node.address,
        str(state.pid or "-"),
        str(memory_mib(marked(node.mark))) if state.pid else "-",
        str(state.restarts),
        span(time.time() - state.since),
        state.last_end or "-",
    )
