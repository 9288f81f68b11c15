"""The processes of a node, found by the mark in their command lines: a number alone may be another's by now."""

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from gapura_supervisor.processes import kill_all

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where Triton puts it
_PROGRAMS = (b"/tritonserver", b"/triton_python_backend_stub")


def marked(mark: str) -> Iterator[int]:
    """Finds Triton's processes that carry a mark."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):  # it just ended
                program, _, arguments = (entry / "cmdline").read_bytes().partition(b"\0")
                if program.endswith(_PROGRAMS) and mark.encode() in arguments:
                    yield int(entry.name)


def sweep(mark: str) -> None:
    """Kills the processes, waits until they are gone, and removes the shared memory that they leave."""
    kill_all(partial(marked, mark))
    for region in _SHARED_MEMORY.glob(f"{mark}*"):
        region.unlink(missing_ok=True)
