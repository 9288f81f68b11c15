"""The table that `gapura ps` prints."""

import time
from collections.abc import Iterator

from gapura_supervisor.processes import marked, memory_mib
from gapura_supervisor.state import PartState, State
from gapura_supervisor.table import align, span

_HEADS = ("NAME", "STATE", "ADDRESS", "PID", "MIB", "RESTARTS", "SINCE", "LAST END")


def describe(state: State) -> str:
    """Returns what runs where, now."""
    return align([_HEADS, *_rows(state)])


def _rows(state: State) -> Iterator[tuple[str, ...]]:
    memory = str(memory_mib([state.supervisor]))
    age = span(time.time() - state.since)
    yield ("supervisor", "ready" if state.ready else "busy", "-", str(state.supervisor), memory, "0", age, "-")
    for part in state.parts:
        yield _row(part, state.mark)


def _row(part: PartState, mark: str) -> tuple[str, ...]:
    return (
        part.name,
        part.phase,
        part.address,
        str(part.pid or "-"),
        str(memory_mib({part.pid, *marked(f"{mark}{part.serial}.")})) if part.pid else "-",
        str(part.restarts),
        span(time.time() - part.since),
        part.last_end or "-",
    )
