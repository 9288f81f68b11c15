"""CPU time of process trees, from `/proc`: user and system time of every process and of the children that ended."""

import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
# Fields of /proc/<pid>/stat behind the name in brackets, see proc_pid_stat(5): state, parent, …
_PARENT, _TIMES = 1, slice(11, 15)


@dataclass(frozen=True, slots=True)
class Process:
    """One process at one moment.

    Attributes:
        pid: Its number.
        parent: Number of the process that started it.
        seconds: CPU time of itself and of children that it has waited for.
    """

    pid: int
    parent: int
    seconds: float


def tree_seconds(roots: Collection[int]) -> float:
    """Returns the CPU time so far of processes and all their descendants."""
    return sum(process.seconds for process in trees(roots, list(processes())))


def machine_seconds() -> float:
    """Returns the CPU time so far of everything on the machine, and of what its hypervisor gave to other machines."""
    return parse_machine(Path("/proc/stat").read_text())


def parse_machine(text: str) -> float:
    """Reads the first line of `/proc/stat`: user, nice, system, idle, waiting for disks, interrupts, stolen."""
    user, nice, system, _, _, hard, soft, stolen, *_ = map(int, text.partition("\n")[0].split()[1:])
    return (user + nice + system + hard + soft + stolen) / TICKS_PER_SECOND


def trees(roots: Collection[int], known: Collection[Process]) -> list[Process]:
    """Returns the processes that are roots or descend from one."""
    inside = set(roots)
    while more := {process.pid for process in known if process.parent in inside} - inside:
        inside |= more
    return [process for process in known if process.pid in inside]


def processes() -> Iterator[Process]:
    """Reads every process of the machine."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):  # it just ended
                yield parse_stat((entry / "stat").read_text())


def parse_stat(text: str) -> Process:
    """Reads a process's `stat`; its name may contain blanks and brackets."""
    start, _, rest = text.rpartition(")")
    fields = rest.split()
    ticks = sum(map(int, fields[_TIMES]))
    return Process(int(start.partition(" ")[0]), int(fields[_PARENT]), ticks / TICKS_PER_SECOND)
