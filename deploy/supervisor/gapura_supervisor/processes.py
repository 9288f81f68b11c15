"""Finds processes by the mark in their environment, which their children inherit: a number may be another's by now."""

import os
import re
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

MARK = "GAPURA_SUPERVISED"
_PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)
_POLL_SECONDS = 0.01
_KIB_PER_MIB = 1024


def marked(mark: str) -> Iterator[int]:
    """Finds this user's processes that were started with a mark that begins so."""
    wanted = f"\0{MARK}={mark}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):  # it just ended, or is somebody else's
                if wanted in b"\0" + (entry / "environ").read_bytes():
                    yield int(entry.name)


def memory_mib(pids: Iterable[int]) -> int:
    """Measures what processes hold; what they share counts once."""
    total = 0
    for pid in pids:
        with suppress(OSError):  # it just ended
            found = _PSS.search(Path(f"/proc/{pid}/smaps_rollup").read_text())
            total += int(found[1]) if found else 0
    return total // _KIB_PER_MIB


def kill_all(find: Callable[[], Iterable[int]]) -> None:
    """Kills the processes that are found, and waits until none is."""
    while pids := list(find()):
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)


def how_it_ended(status: int) -> str:
    """Puts an exit status into words."""
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
