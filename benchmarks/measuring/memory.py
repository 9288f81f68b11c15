"""Memory of process trees, from `/proc`: a page that several processes share counts once."""

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from benchmarks.measuring.cpu import processes, trees

KIB_PER_MIB = 1024


def tree_mib(roots: Collection[int]) -> float:
    """Returns what processes and all their descendants hold in RAM: the sum of their proportional set sizes."""
    return sum(proportional_mib(process.pid) for process in trees(roots, list(processes())))


def proportional_mib(pid: int) -> float:
    """Returns a process's part of the pages that it has in RAM; 0 when it is gone."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / KIB_PER_MIB
    return 0.0
