"""What a shadow costs its champion: p99 at half of the capacity, calls a second at all of it, and who gives way beyond.

    python -m benchmarks.shadows [--model small] [--backend onnx] [--listener native] [--rounds 7] [--seconds 5]

Needs `h2load`. Two gateways in processes of their own over the same trees, which a version of other trees shadows at
one of them, for every call; they are asked in turns, and each round is a ratio. Every answer is checked before the
clock starts; while it runs, those of a caller beside the load, and the size of all others. Then both get half
as many calls again as they can answer. It ends with status 1 when p99 at half of the capacity is more than 1.05 times
that without a shadow, when fewer than 0.9 times as many calls are answered, at capacity or beyond it, or when a shadow
has done more than a tenth beyond it of what it did before. Rounds are told beside the median: on a machine that others
use as well, p99 says little.
"""

import argparse
import asyncio
import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

import uvloop
from erpml.catalog.v1 import catalog_pb2

from benchmarks.arena import ONE_TENANT, TENANT, Arena, running_node, write_tenants_of
from benchmarks.gateway_process import running_gateway
from benchmarks.gbm import Recipe, draw_rows, grow
from benchmarks.lanes.contestants import Contestant
from benchmarks.lanes.field import HEAVY, HEAVY_TREES, QUESTIONS, SMALL, SMALL_TREES
from benchmarks.lanes.floods import answered_per_second, flood
from benchmarks.lanes.loads import SHED, ask_at_pace
from benchmarks.lanes.suites.small import bar
from benchmarks.lanes.verification import verify
from benchmarks.measuring import h2load
from benchmarks.measuring.h2load import Shape, require_h2load
from benchmarks.measuring.machine import this_machine
from benchmarks.measuring.measurement import Pace
from benchmarks.measuring.others import watched
from benchmarks.measuring.questions import ask
from benchmarks.measuring.ratios import order_of_round, percentile_ms, ratio_of
from benchmarks.measuring.results import Bar, Findings
from benchmarks.models import BenchModel, write_models
from benchmarks.telemetry.ground import NO_EXPORT, contestant, counted
from gateway.telemetry.families import SHADOW_CALLS

WITH, WITHOUT, RIVAL = "with a shadow", "without", "rival"
MODELS = {
    "small": (SMALL, SMALL_TREES, Recipe(trees=90, depth=3)),
    "heavy": (HEAVY, HEAVY_TREES, Recipe(trees=1_800, depth=5, copies=6)),
}
FULL, SPREAD = Shape(8, 32), Shape(8, 1_000)
LOOKS_PER_SECOND = 20.0
CAPACITY_ROUNDS = 3
HALF, BEYOND = 0.5, 1.5
DEADLINE_MS = 100
MOST_P99, LEAST_CALLS, MOST_BEYOND = 1.05, 0.9, 0.1
LAST_COMPARISONS_SECONDS = 1.5
REST_SECONDS = 3.0


@dataclass(slots=True)
class Side:
    """A gateway, and what was measured of it, round by round.

    Attributes:
        contestant: Who is asked.
        telemetry: Where it counts.
        p50_ms: At half of the capacity.
        p99_ms: At half of the capacity.
        full: Answered calls a second of callers who are always waiting.
        beyond: Calls a second that were answered in time when there were too many.
        compared: Comparisons a second, by load.
        shed: Calls a second that the shadow was not asked, by load.
    """

    contestant: Contestant
    telemetry: Path
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    full: list[float] = field(default_factory=list)
    beyond: list[float] = field(default_factory=list)
    compared: dict[str, list[float]] = field(default_factory=dict)
    shed: dict[str, list[float]] = field(default_factory=dict)

    def mirrored(self, outcome: str) -> float:
        """Returns how many calls of the shadow have ended in a way so far."""
        return counted(self.telemetry, SHADOW_CALLS, self.contestant.model, RIVAL, "2", outcome)


@contextmanager
def open_sides(name: str, backend: str, listener: str, folder: Path) -> Iterator[dict[str, Side]]:
    """Runs both gateways."""
    model, trees, other_trees = MODELS[name]
    graph, signature = grow(trees)
    other, _ = grow(other_trees)
    write_models([BenchModel(model, graph, signature)], folder / "models", folder / "without.binpb")
    add_shadow(folder, model, other)
    keys = write_tenants_of(folder / "tenants.yaml", ONE_TENANT)
    questions = tuple(ask(model, graph, draw_rows()[0][:QUESTIONS]))
    with ExitStack() as stack:
        nodes = (stack.enter_context(running_node(folder, "node0")),) if backend == "triton" else ()
        sides = {}
        for side, catalog in ((WITH, "with"), (WITHOUT, "without")):
            telemetry = folder / f"telemetry-{catalog}"
            settings = {
                "GAPURA_BACKEND": backend,
                "GAPURA_LISTENER": listener,
                "GAPURA_NODES": ",".join(node.address for node in nodes),
                "GAPURA_REPOSITORY": str(folder / "models"),
                "GAPURA_CATALOG": str(folder / f"{catalog}.binpb"),
                "GAPURA_CONTRACTS": str(folder / "contracts"),
                "GAPURA_TENANTS": str(folder / "tenants.yaml"),
                "GAPURA_USAGE": str(folder / f"usage-{catalog}"),
                "GAPURA_TELEMETRY": str(telemetry),
                **NO_EXPORT,
            }
            pid, address = stack.enter_context(running_gateway({**os.environ, **settings}))
            arena = Arena(address, {TENANT: keys[TENANT]}, pid, nodes, folder)
            sides[side] = Side(replace(contestant(side, arena, questions), model=model), telemetry)
        yield sides


def add_shadow(folder: Path, model: str, graph: bytes) -> None:
    """Adds a version to the repository, and a catalog in which it shadows the champion for every call."""
    home = folder / "models" / model
    (home / "2").mkdir()
    (home / "2/model.onnx").write_bytes(graph)
    config = home / "config.pbtxt"
    config.write_text(config.read_text().replace("versions: 1", "versions: 1 versions: 2"))
    catalog = catalog_pb2.Catalog.FromString((folder / "without.binpb").read_bytes())
    (described,) = catalog.models
    version = catalog_pb2.Version()
    version.CopyFrom(described.versions[0])
    version.number, version.sha256 = 2, hashlib.sha256(graph).hexdigest()
    described.versions.append(version)
    described.arms.add(name=RIVAL, version=2, kind=catalog_pb2.ARM_KIND_SHADOW, mirrored_basis_points=10_000)
    (folder / "with.binpb").write_bytes(catalog.SerializeToString())


async def measure(sides: Mapping[str, Side], pace: Pace, folder: Path) -> None:
    """Lets the gateways take turns at half of the capacity, at all of it and beyond."""
    await verify([side.contestant for side in sides.values()], pace)
    plain = sides[WITHOUT].contestant
    capacity = median(
        [await answered_per_second(plain, FULL, pace.seconds, 1000, folder) for _ in range(CAPACITY_ROUNDS)]
    )
    print(f"capacity {capacity:,.0f} calls/s", flush=True)
    for number in range(pace.rounds):
        for name in order_of_round(list(sides), number):
            await measure_half(sides[name], HALF * capacity, pace, folder)
        for name in order_of_round(list(sides), number):
            await measure_full(sides[name], pace, folder)
        for name in order_of_round(list(sides), number):
            await measure_beyond(sides[name], BEYOND * capacity, pace, folder)
            await asyncio.sleep(REST_SECONDS)
        print(told_of_round(sides), flush=True)


async def measure_half(side: Side, per_second: float, pace: Pace, folder: Path) -> None:
    """Measures latencies while there is room."""
    body, log = folder / "body", folder / "log"
    body.write_bytes(side.contestant.questions[0].body)
    log.unlink(missing_ok=True)
    url, headers = side.contestant.url, side.contestant.headers
    command = h2load.compose_command(url, headers, body, SPREAD, pace.seconds, log=log, per_second=per_second)
    with watched_shadow(side, "half", pace.seconds):
        load = await h2load.start(command)
        looked = await ask_at_pace(side.contestant, LOOKS_PER_SECOND, pace.seconds, connections=1)
        await h2load.finish(load)
        await asyncio.sleep(LAST_COMPARISONS_SECONDS)
    assert not looked.wrong, looked.problems
    seconds = h2load.parse_log(log).seconds
    side.p50_ms.append(percentile_ms(seconds, 0.5))
    side.p99_ms.append(percentile_ms(seconds, 0.99))


async def measure_full(side: Side, pace: Pace, folder: Path) -> None:
    """Measures how many calls are answered when callers always wait."""
    with watched_shadow(side, "full", pace.seconds):
        side.full.append(await answered_per_second(side.contestant, FULL, pace.seconds, 1000, folder))


async def measure_beyond(side: Side, per_second: float, pace: Pace, folder: Path) -> None:
    """Measures how many calls are answered when there are too many."""
    with watched_shadow(side, "beyond", pace.seconds):
        wave = await flood(side.contestant, per_second, pace.seconds, folder, DEADLINE_MS)
    assert not wave.sample.failed(*SHED), wave.sample.problems
    assert not wave.sample.wrong, wave.sample.problems
    side.beyond.append(wave.goodput(DEADLINE_MS / 1000))


@contextmanager
def watched_shadow(side: Side, load: str, seconds: float) -> Iterator[None]:
    """Notes what a shadow does meanwhile."""
    before = {outcome: side.mirrored(outcome) for outcome in ("compared", "shed", "failed")}
    yield
    after = {outcome: side.mirrored(outcome) for outcome in before}
    assert after["failed"] == before["failed"], "the shadow failed"
    side.compared.setdefault(load, []).append((after["compared"] - before["compared"]) / seconds)
    side.shed.setdefault(load, []).append((after["shed"] - before["shed"]) / seconds)


def told_of_round(sides: Mapping[str, Side]) -> str:
    """Says what the latest round has shown."""
    on, off = sides[WITH], sides[WITHOUT]
    compared = ", ".join(
        f"{load} {rates[-1]:,.0f}/s (shed {on.shed[load][-1]:,.0f}/s)" for load, rates in on.compared.items()
    )
    return (
        f"p50 {on.p50_ms[-1]:.2f} / {off.p50_ms[-1]:.2f} ms   p99 {on.p99_ms[-1]:.2f} / {off.p99_ms[-1]:.2f} ms   "
        f"full {on.full[-1]:,.0f} / {off.full[-1]:,.0f}/s   beyond {on.beyond[-1]:,.0f} / {off.beyond[-1]:,.0f}/s   "
        f"compared: {compared}"
    )


def bars_of(sides: Mapping[str, Side]) -> list[Bar]:
    """Returns what is promised."""
    on, off = sides[WITH], sides[WITHOUT]
    before, beyond = sum(on.compared["half"]), sum(on.compared["beyond"])
    return [
        bar(
            "p99 at half of the capacity, with a shadow over without", ratio_of(on.p99_ms, off.p99_ms), at_most=MOST_P99
        ),
        bar("calls/s at capacity, with a shadow over without", ratio_of(on.full, off.full), at_least=LEAST_CALLS),
        bar(
            "calls/s in time beyond it, with a shadow over without",
            ratio_of(on.beyond, off.beyond),
            at_least=LEAST_CALLS,
        ),
        Bar("comparisons beyond capacity, over those at half of it", beyond / max(before, 1), at_most=MOST_BEYOND),
    ]


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", default="small", choices=MODELS)
    parser.add_argument("--backend", default="onnx", choices=("onnx", "triton"))
    parser.add_argument("--listener", default="native", choices=("native", "grpcio"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=5.0)
    chosen = parser.parse_args()
    require_h2load()
    print(this_machine(), flush=True)
    pace, findings = Pace(chosen.rounds, chosen.seconds, 0.0), Findings()
    with (
        tempfile.TemporaryDirectory(prefix="gapura-") as name,
        open_sides(chosen.model, chosen.backend, chosen.listener, Path(name)) as sides,
        watched(findings),
    ):
        uvloop.run(measure(sides, pace, Path(name)))
    findings.bars += bars_of(sides)
    print(f"processes of others used {findings.others_cores:.2f} cores meanwhile", *findings.bars, sep="\n")
    raise SystemExit("a bar is missed" if not all(each.reached for each in findings.bars) else 0)


if __name__ == "__main__":
    main()
