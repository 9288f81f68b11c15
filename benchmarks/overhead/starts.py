"""How long a gateway takes from its start to its first right answer, and what it holds when nobody calls."""

from time import monotonic, sleep

import uvloop

from benchmarks.measuring.memory import tree_mib
from benchmarks.measuring.verification import verify
from benchmarks.overhead.ground import GATEWAYS, contestant
from benchmarks.workplace import Workplace

RESTED_SECONDS = 0.5


def start_once(place: Workplace, name: str) -> tuple[float, float]:
    """Starts a gateway.

    Returns:
        The seconds until its first right answer, to 20 ms: its address is read from its log; and its memory at rest,
        in MiB, without what Triton holds.
    """
    began = monotonic()
    with GATEWAYS[name](place, {}) as running:
        asked = contestant(place, name, running)
        uvloop.run(verify([asked], looks=1))
        took = monotonic() - began
        sleep(RESTED_SECONDS)
        return took, tree_mib([pid for stage, pids in running.stages.items() if stage != "Triton" for pid in pids])
