"""Attacks a protected edge for 10 s each: `python -m benchmarks.attacks.run [SECONDS]`, from the root of a checkout."""

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from gapura_envoy.contracts import read_contracts
from gapura_envoy.testing import running_edge

from benchmarks.arena import TENANT, write_tenants_of
from benchmarks.attacks.attackers import PLANS
from benchmarks.attacks.witness import Caller, Testimony, watch
from benchmarks.edge.ground import environment_of
from benchmarks.edge.workers import running_worker
from benchmarks.measuring.framing import LIVE
from benchmarks.measuring.report import render_table
from benchmarks.models import echo_model, write_models

SECONDS, WORKERS, MOST_MIB = 10.0, 2, 400
COLUMNS = ("attack", "answered", "refused", "slowest s", "MiB before", "most", "after")


async def attack_all(caller: Caller, pids: Sequence[int], seconds: float) -> dict[str, Testimony]:
    """Makes one attack after the other."""
    return {name: await watch(name, caller, pids, seconds) for name in PLANS}


def main(seconds: float = SECONDS) -> None:
    """Starts an edge with the settings that it has by default before workers, attacks it, and prints what was seen."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gapura-")))
        write_models([echo_model()], folder / "models", folder / "catalog.binpb")
        key = write_tenants_of(folder / "tenants.yaml", {TENANT: {}})[TENANT]
        environment = {**environment_of(folder, ""), "GAPURA_BACKEND": "onnx"}
        workers = [
            stack.enter_context(running_worker(environment, "native", f"unix:{folder}/worker{number}"))
            for number in range(WORKERS)
        ]
        contracts = read_contracts(folder / "contracts")
        edge = stack.enter_context(running_edge([address for _, address in workers], contracts))
        pids = [edge.process.pid, *(pid for pid, _ in workers)]
        caller = Caller(edge.address, (("x-api-key", key),), LIVE)
        seen = asyncio.run(attack_all(caller, pids, seconds))
    print("\n".join(render_table(COLUMNS, [row_of(name, each) for name, each in seen.items()])))
    if any(each.most_mib > MOST_MIB or not each.answered for each in seen.values()):
        sys.exit(f"an attack took over {MOST_MIB} MiB, or kept others from being answered")


def row_of(name: str, seen: Testimony) -> tuple[object, ...]:
    """Returns what was seen of one attack."""
    slowest = f"{max(seen.answered, default=0):.2f}"
    memory = (round(mib) for mib in (seen.before_mib, seen.most_mib, seen.after_mib))
    return (name, len(seen.answered), len(seen.refused), slowest, *memory)


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
