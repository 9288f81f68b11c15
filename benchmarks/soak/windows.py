"""Half an hour in windows of seconds: what calls took, and what processes hold, in each."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.measuring.cpu import processes, trees
from benchmarks.measuring.memory import proportional_mib, tree_mib
from benchmarks.measuring.ratios import percentile_ms
from benchmarks.soak.ground import GATEWAY

BYTES_PER_MB, BYTES_PER_MIB = 1e6, 2**20


@dataclass(frozen=True, slots=True)
class Held:
    """What processes hold at one moment.

    Attributes:
        stages_mb: RAM of each stage, pages that processes share once.
        processes_mb: RAM of each process of the gateway, by name and number.
        files: Open file descriptors of the gateway.
        threads: Of the gateway.
    """

    stages_mb: Mapping[str, float]
    processes_mb: Mapping[str, float]
    files: int
    threads: int

    @property
    def gateway_mb(self) -> float:
        """RAM of the gateway's processes."""
        return self.stages_mb[GATEWAY]


@dataclass(frozen=True, slots=True)
class Window:
    """A few seconds.

    Attributes:
        ended: Seconds since the soak began.
        calls: That loads have made up to its end, all windows before it too.
        seconds: How long the calls of each load took that ended in it.
        unanswered: Calls of loads whose answer was an error or too short.
        looked_at: Answers that were looked at.
        wrong: Of them, those that were wrong, or none.
        cpu_seconds: CPU time of each stage in it.
        held: What processes hold at its end.
    """

    ended: float
    calls: int
    seconds: Mapping[str, NDArray[np.float64]]
    unanswered: int
    looked_at: int
    wrong: int
    cpu_seconds: Mapping[str, float]
    held: Held

    @property
    def made(self) -> int:
        """Calls of loads that ended in it."""
        return sum(map(len, self.seconds.values()))

    def described(self) -> dict[str, Any]:
        """Returns it for programs."""
        p99_ms = {name: round(percentile_ms(taken, 0.99), 3) for name, taken in self.seconds.items()}
        told = {name: getattr(self, name) for name in ("ended", "calls", "made", "unanswered", "looked_at", "wrong")}
        held = {"mb": self.held.stages_mb, "processes_mb": self.held.processes_mb}
        counted = {"files": self.held.files, "threads": self.held.threads}
        return {**told, "p99_ms": p99_ms, "cpu_seconds": dict(self.cpu_seconds), **held, **counted}


def held_by(stages: Mapping[str, Collection[int]]) -> Held:
    """Returns what processes hold now."""
    gateway = [process.pid for process in trees(stages[GATEWAY], list(processes()))]
    return Held(
        stages_mb={name: tree_mib(roots) * BYTES_PER_MIB / BYTES_PER_MB for name, roots in stages.items()},
        processes_mb={name_of(pid): proportional_mib(pid) * BYTES_PER_MIB / BYTES_PER_MB for pid in gateway},
        files=sum(entries(pid, "fd") for pid in gateway),
        threads=sum(entries(pid, "task") for pid in gateway),
    )


def name_of(pid: int) -> str:
    """Returns the name and number of a process; of one that just ended, its number."""
    with suppress(OSError):
        return f"{Path(f'/proc/{pid}/comm').read_text().strip()} {pid}"
    return str(pid)


def entries(pid: int, folder: str) -> int:
    """Returns how many entries a folder of a process in `/proc` has; 0 when it just ended."""
    with suppress(OSError):
        return sum(1 for _ in Path(f"/proc/{pid}/{folder}").iterdir())
    return 0
