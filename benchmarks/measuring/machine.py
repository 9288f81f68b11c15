"""Names the machine that figures were taken on."""

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

_MODEL_NAME = re.compile(r"^model name\s*:\s*(.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine, and how busy it was before anything was started.

    Attributes:
        cpu: Model of its processor.
        cores: How many this process may use.
        load: Processes that ran or waited to, averaged over the last minute.
        python: Version that runs the gateway.
        system: Name and release of the kernel.
    """

    cpu: str
    cores: int
    load: float
    python: str
    system: str

    def __str__(self) -> str:
        return f"{self.cpu}, {self.cores} cores, load {self.load:.2f} at start, Python {self.python}, {self.system}"


def this_machine() -> Machine:
    """Returns the machine as it is now."""
    found = _MODEL_NAME.search(Path("/proc/cpuinfo").read_text())
    return Machine(
        cpu=found[1] if found else platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        load=round(os.getloadavg()[0], 2),
        python=platform.python_version(),
        system=f"{platform.system()} {platform.release()}",
    )
