"""What changes with the number of models, of tenants and of workers, and with the size of tensors."""

import os
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import uvloop

from benchmarks.gbm import Recipe, draw_rows, grow
from benchmarks.measuring.contestants import Asked, Contestant
from benchmarks.measuring.framing import METHOD
from benchmarks.measuring.h2load import Shape
from benchmarks.measuring.measurement import Pace, play
from benchmarks.measuring.questions import ask
from benchmarks.measuring.ratios import ratio_of
from benchmarks.measuring.results import Findings, Table
from benchmarks.measuring.verification import verify
from benchmarks.models import BenchModel
from benchmarks.scale import tensors
from benchmarks.scale.pairs import ASKED, Side, compare
from benchmarks.workplace import open_workplace

THOROUGH, QUICK = Pace(rounds=24, seconds=1.5, warm_up_seconds=0.3), Pace(rounds=14, seconds=0.6, warm_up_seconds=0.2)
FEW_TREES, MODELS, TENANTS = Recipe(trees=20, depth=3), 1_000, 10_000
WORKERS, SHAPE = (1, 2, 4), Shape(8, 32)


def measure_models(pace: Pace, count: int = MODELS) -> Findings:
    """Compares a gateway of one model with one of a thousand."""
    return compare(Side("1 model", compose_models(1)), Side(f"{count:,} models", compose_models(count)), pace)


def measure_tenants(pace: Pace, count: int = TENANTS) -> Findings:
    """Compares a gateway of one tenant with one of ten thousand."""
    models = compose_models(1)
    return compare(Side("1 tenant", models), Side(f"{count:,} tenants", models, count - 1), pace)


def measure_workers(pace: Pace) -> Findings:
    """Compares edges with one worker and more, before the same node."""
    (model,) = compose_models(1)
    questions: tuple[Asked, ...] = tuple(ask(model.name, model.graph, draw_rows()[0][:ASKED]))
    with (
        open_workplace([model], triton=True) as place,
        ExitStack() as stack,
        tempfile.TemporaryDirectory(prefix="gapura-bench-") as scratch,
    ):
        workers = [
            stack.enter_context(place.gateway("triton", listen=f"unix:{place.folder}/worker{number}"))
            for number in range(max(WORKERS))
        ]
        found = []
        for count in WORKERS:
            edge = stack.enter_context(place.envoy(workers[:count]))
            found.append(Contestant(name_of(count), edge.address, METHOD, questions, edge.stages, place.headers))
        sizes = uvloop.run(verify(found))
        rounds = uvloop.run(play(found, sizes, SHAPE, replace(pace, rounds=max(pace.rounds // 3, 1)), Path(scratch)))
    findings = Findings()
    findings.take(f"edge over Triton on {len(os.sched_getaffinity(0))} cores, one row, {SHAPE}", rounds)
    rates = {name: [each.calls_per_second for each in measured] for name, measured in rounds.items()}
    one = rates[name_of(1)]
    rows = tuple((name, str(ratio_of(each, one))) for name, each in rates.items())
    findings.tables.append(Table("over one worker, with the lowest and highest round", ("", "calls/s"), rows))
    return findings


def name_of(workers: int) -> str:
    """Returns what tables call an edge."""
    return f"{workers} worker{'s' if workers > 1 else ''}"


def compose_models(count: int) -> list[BenchModel]:
    """Returns the same few trees under so many names."""
    graph, signature = grow(FEW_TREES)
    return [BenchModel(f"team9_copy{number}", graph, signature) for number in range(count)]


PARTS = {
    "models": measure_models,
    "tenants": measure_tenants,
    "workers": measure_workers,
    "tensors": tensors.measure,
}
