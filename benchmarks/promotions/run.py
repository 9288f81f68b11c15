"""How soon a moved alias is live on every node and gateway, and what callers notice of it.

    python -m benchmarks.promotions.run [--times 50] [--seconds 0.3]

Two real Triton nodes, two gateways, `gapura publish --watch`, 64 callers that check every answer against the model that
its version stands for. Two new models come first; then known ones are promoted and rolled back in a row. It ends with
status 1 when a call fails, or an answer is not that of its version.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from benchmarks.arena import TENANT, running_node, write_tenants_of
from benchmarks.gateway_process import running_gateway
from benchmarks.promotions.team import Team, register_first, train_team
from benchmarks.steady_load import SteadyLoad
from hub.training.trained import TrainedModel

CALLERS, PAUSE_SECONDS = 32, 0.05
LIVE_SECONDS, POLL_SECONDS = 60.0, 0.005
ROLLBACK_EVERY = 3
HANDOVER_SECONDS = 2.0


@dataclass(slots=True)
class Seen:
    """What callers of the gateways saw.

    Attributes:
        versions: The version that answered last, by gateway.
        seconds: Until a moved alias was live on both, by kind of move.
        problems: Of calls.
        calls: How many there were.
    """

    versions: list[int] = field(default_factory=lambda: [0, 0])
    seconds: dict[str, list[float]] = field(default_factory=dict)
    problems: Counter[str] = field(default_factory=Counter)
    calls: int = 0

    async def wait_for(self, version: int, kind: str, since: float) -> None:
        """Waits until both gateways answer with a version, and notes how long that took."""
        while set(self.versions) != {version}:
            assert monotonic() - since < LIVE_SECONDS, f"version {version} is not live: {self.versions}"
            await asyncio.sleep(POLL_SECONDS)
        self.seconds.setdefault(kind, []).append(monotonic() - since)

    def lines(self) -> Iterator[str]:
        """Yields the findings."""
        for kind, seconds in self.seconds.items():
            middle = statistics.median(seconds)
            yield f"{kind:10} {len(seconds):3d}   live after {middle:5.2f} s (median), {max(seconds):5.2f} s (longest)"
        yield f"{self.calls:,d} calls, {self.problems.total()} failed or answered by another version than they say"
        yield from (f"    {count} x {problem}" for problem, count in self.problems.most_common(5))


async def measure(times: int, seconds: float) -> Seen:
    """Goes through all moves."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gapura-")))
        (folder / "models").mkdir()
        team, trained = train_team(f"sqlite:///{folder / 'mlflow.db'}")
        nodes = [stack.enter_context(running_node(folder, name)).address for name in ("one", "two")]
        key = write_tenants_of(folder / "tenants.yaml", {TENANT: {}})[TENANT]
        environment = {**os.environ, **_settings(folder, nodes)}
        stack.enter_context(_running_publisher(environment, folder / "publisher.log"))
        first = register_first(team, trained[0], 0, folder / "artifacts")
        addresses = [stack.enter_context(running_gateway(environment))[1] for _ in range(2)]
        for load in _loads(team, addresses, key)[1]:
            await _until_served(load)
        callers = _loads(team, addresses, key)
        return await _move(team, trained[1], first, folder / "artifacts", callers, times, seconds)


def _settings(folder: Path, nodes: Sequence[str]) -> dict[str, str]:
    return {
        "GAPURA_VAR": str(folder),
        "GAPURA_BACKEND": "triton",
        "GAPURA_NODES": ",".join(nodes),
        "GAPURA_REPOSITORY": str(folder / "models"),
        "GAPURA_CATALOG": str(folder / "catalog/catalog.binpb"),
        "GAPURA_CONTRACTS": str(folder / "contracts"),
        "GAPURA_TENANTS": str(folder / "tenants.yaml"),
        "GAPURA_USAGE": str(folder / "usage"),
        "GAPURA_FREEZE": str(folder / "freeze.yaml"),
        "GAPURA_MLFLOW_URI": f"sqlite:///{folder / 'mlflow.db'}",
        "GAPURA_HANDOVER_SECONDS": str(HANDOVER_SECONDS),
    }


@contextmanager
def _running_publisher(environment: dict[str, str], log: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "gateway", "publish", "--watch"]
    with log.open("wb") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)  # noqa: S603 - our own command
        try:
            yield
        finally:
            process.terminate()
            process.wait()


def _loads(team: Team, addresses: Sequence[str], key: str) -> tuple[Seen, list[SteadyLoad]]:
    """Returns callers of each gateway, which note what they see."""
    seen = Seen()

    def checker(gateway: int) -> SteadyLoad:
        def check(number: int, answer: bytes) -> str:
            seen.versions[gateway], problem = team.check(number, answer)
            return problem

        return SteadyLoad(
            addresses[gateway], team.requests(), check, api_key=key, callers=CALLERS, pause_seconds=PAUSE_SECONDS
        )

    return seen, [checker(gateway) for gateway in range(len(addresses))]


async def _move(  # noqa: PLR0913, PLR0917 - what the moves are about
    team: Team,
    second: TrainedModel,
    first: int,
    artifacts: Path,
    callers: tuple[Seen, list[SteadyLoad]],
    times: int,
    seconds: float,
) -> Seen:
    seen, loads = callers
    start = monotonic()
    async with loads[0], loads[1]:
        await seen.wait_for(first, "at first", start)
        history = [first]
        since = monotonic()
        history.append(await asyncio.to_thread(register_first, team, second, 1, artifacts))
        await seen.wait_for(history[-1], "new model", since)
        for time in range(times):
            kind = "rollback" if time % ROLLBACK_EVERY == ROLLBACK_EVERY - 1 else "promotion"
            if kind == "rollback":
                history = [*history[:-2], history[-1], history[-2]]
            else:
                history.append(await asyncio.to_thread(team.register, time % 2))
            since = monotonic()
            await asyncio.to_thread(team.promote, history[-1], kind)
            await seen.wait_for(history[-1], kind, since)
            await asyncio.sleep(seconds)
    for load in loads:
        summary = load.since(start)
        seen.calls += summary.calls
        seen.problems += summary.problems
    return seen


async def _until_served(load: SteadyLoad) -> None:
    """Waits until the first version answers; what is asked before does not count."""
    async with load:
        since = monotonic()
        while not any(not call.problem for call in load.asked):
            assert monotonic() - since < LIVE_SECONDS, load.since(0).problems
            await asyncio.sleep(POLL_SECONDS)


def main() -> None:
    """Runs the benchmark."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--times", type=int, default=50)
    arguments.add_argument("--seconds", type=float, default=0.3, help="pause between two moves")
    chosen = arguments.parse_args()
    seen = asyncio.run(measure(chosen.times, chosen.seconds))
    print("\n".join(seen.lines()))
    sys.exit(1 if seen.problems else 0)


if __name__ == "__main__":
    main()
