"""The processes of a node, found by the mark in their command lines: a number alone may be another's by now."""

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where Triton puts it
_PROGRAMS = (b"/tritonserver", b"/triton_python_backend_stub")
_PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)
_POLL_SECONDS = 0.01
_KIB_PER_MIB = 1024


def marked(mark: str) -> Iterator[int]:
    """Finds Triton's processes that carry a mark."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):  # it just ended
                program, _, arguments = (entry / "cmdline").read_bytes().partition(b"\0")
                if program.endswith(_PROGRAMS) and mark.encode() in arguments:
                    yield int(entry.name)


def memory_mib(mark: str) -> int:
    """Measures what the processes hold; what they share counts once."""
    total = 0
    for pid in marked(mark):
        with suppress(OSError):  # it just ended
            found = _PSS.search(Path(f"/proc/{pid}/smaps_rollup").read_text())
            total += int(found[1]) if found else 0
    return total // _KIB_PER_MIB


def sweep(mark: str) -> None:
    """Kills the processes, waits until they are gone, and removes the shared memory that they leave."""
    while pids := list(marked(mark)):
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)
    for region in _SHARED_MEMORY.glob(f"{mark}*"):
        region.unlink(missing_ok=True)
