"""GetOnlineFeatures beside Feast's own `get_online_features`: CPU of who answers, per 1,000 calls.

    python -m benchmarks.features.feast [--rounds 7] [--callers 64]

Feast reads in the process of its caller, one call after the other; it runs in a virtual environment that is made in
`var/bench/feast`. Gapura is measured in its own way too: the endpoint of the service in this process, from the bytes of
a request to those of the answer; and `gapura feature-store`, to which callers come over gRPC, without what they need
themselves. Each is measured with rows in memory, as it is unless it is told otherwise, and with rows that have to be
read from Redis for every call. One Valkey has the rows of both: 20 float32 features, in calls of 1 and of 64 entities
drawn at random. The contestants take turns; every figure is the median of the rounds. Before, all of them have to
answer what was stored.

It ends with status 1 when a contestant answers something else, or when the endpoint as it is by default takes more than
a twentieth of Feast's CPU.
"""

import argparse
import random
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import redis
import uvloop

from benchmarks.features.contestants import ENTITIES, Contestant, Wanted, contestants, declaration, install_feast
from benchmarks.features.rows import store_rows, values_of
from gateway.feature_views import FeatureView
from tests.redis_servers import redis_server

SIZES = {1: "1 entity", 64: "64 entities"}  # of a call
DECISIVE = "in process, from memory"
LEAST_RATIO = 20.0


async def check(contestant: Contestant) -> None:
    """Compares every row with what was stored; those that keep rows in memory have all of them afterwards.

    Raises:
        SystemExit: One is another.
    """
    for start in range(0, ENTITIES, 400):
        numbers = range(start, start + 400)
        rows = await contestant.read([f"e{number}" for number in numbers])
        if rows != [values_of(number) for number in numbers]:
            raise SystemExit(f"{contestant.name} answers something else than what was stored")


def draw(seed: random.Random, calls: int, size: int) -> Wanted:
    """Draws the entities of calls."""
    return [[f"e{number}" for number in seed.sample(range(ENTITIES), size)] for _ in range(calls)]


async def compare(folder: Path, url: str, rounds: int, callers: int) -> dict[tuple[str, int], list[float]]:
    """Lets all take turns; returns CPU seconds per 1,000 calls of each round, by contestant and entities of a call."""
    with redis.Redis.from_url(url) as client:
        store_rows(client, FeatureView.read(declaration()), ENTITIES)
    seed = random.Random(7)  # noqa: S311 - no secret
    figures: dict[tuple[str, int], list[float]] = {}
    async with contestants(folder, url, callers) as opened:
        for contestant in opened:
            await check(contestant)
        for _ in range(rounds):
            for contestant in opened:
                for size in SIZES:
                    calls = contestant.calls[size]
                    seconds = await contestant.measure(draw(seed, calls, size))
                    figures.setdefault((contestant.name, size), []).append(seconds / calls * 1000)
    return figures


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--callers", type=int, default=64)
    chosen = parser.parse_args()
    install_feast()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        valkey = stack.enter_context(redis_server(folder))
        figures = uvloop.run(compare(folder, valkey.url, chosen.rounds, chosen.callers))
    heads = "".join(f"{told:>13}{'Feast has':>12}" for told in SIZES.values())
    print(f"{'CPU seconds per 1,000 calls':28}{heads}")
    ratios: dict[str, list[float]] = {}
    for name in dict.fromkeys(name for name, _ in figures):
        cells = []
        for size in SIZES:
            seconds = median(figures[name, size])
            ratio = median(figures["Feast", size]) / seconds
            ratios.setdefault(name, []).append(ratio)
            cells.append(f"{seconds:11.4f} s{ratio:10.1f} x")
        print(f"{name:28}{''.join(cells)}")
    missed = [f"{ratio:.1f}" for ratio in ratios[DECISIVE] if ratio < LEAST_RATIO]
    raise SystemExit(f"{DECISIVE}: {', '.join(missed)} x, and it has to be {LEAST_RATIO:.0f} x" if missed else 0)


if __name__ == "__main__":
    main()
