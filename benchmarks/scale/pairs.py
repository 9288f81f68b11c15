"""A gateway that knows little beside one that knows much: a call has to cost the same."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

import uvloop

from benchmarks.gbm import draw_rows
from benchmarks.measuring.contestants import Asked, Contestant
from benchmarks.measuring.framing import METHOD
from benchmarks.measuring.h2load import Shape
from benchmarks.measuring.measurement import Pace, play
from benchmarks.measuring.memory import tree_mib
from benchmarks.measuring.questions import ask
from benchmarks.measuring.ratios import ratio_of
from benchmarks.measuring.results import Cell, Findings, Table
from benchmarks.measuring.verification import verify
from benchmarks.models import BenchModel
from benchmarks.scale.crowd import add_crowd
from benchmarks.workplace import open_workplace

SHAPE, ASKED, LEAST, MOST = Shape(8, 32), 40, 0.95, 1.05
FIGURES = {"p50_ms": "p50", "cpu_per_1000": "CPU per call"}


@dataclass(frozen=True, slots=True)
class Side:
    """A gateway over the embedded backend.

    Attributes:
        name: What tables call it.
        models: What is registered; the first is called.
        others: Tenants beside the one that calls.
    """

    name: str
    models: Sequence[BenchModel]
    others: int = 0


@dataclass(frozen=True, slots=True)
class Opened:
    """A side that runs.

    Attributes:
        contestant: Asked for rows of the first model.
        start_seconds: From the start of its process until it listened.
        rest_mib: Its memory when nobody had called yet.
    """

    contestant: Contestant
    start_seconds: float
    rest_mib: float


def compare(few: Side, many: Side, pace: Pace) -> Findings:
    """Lets both sides alternate; every model of theirs has answered right before."""
    with ExitStack() as stack:
        both = [stack.enter_context(open_side(side)) for side in (few, many)]
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gapura-bench-")))
        contestants = [each.contestant for each in both]
        sizes = uvloop.run(verify(contestants))
        rounds = uvloop.run(play(contestants, sizes, SHAPE, pace, scratch))
    findings = Findings()
    findings.take(f"{many.name} beside {few.name}, {SHAPE}", rounds)
    rows = tuple(map(row_of, both))
    findings.tables.append(Table("start", ("", "listens after s", "RSS MiB before the first call"), rows))
    for figure, label in FIGURES.items():
        ratio = ratio_of(*([getattr(each, figure) for each in rounds[side.name]] for side in (many, few)))
        findings.compare(f"{label}, {many.name} over {few.name}", ratio, at_least=LEAST, at_most=MOST)
    return findings


@contextmanager
def open_side(side: Side) -> Iterator[Opened]:
    """Runs a side."""
    with open_workplace(side.models, triton=False) as place:
        add_crowd(place.tenants, side.others)
        began = monotonic()
        with place.gateway("onnx") as gateway:
            took, rest_mib = monotonic() - began, tree_mib([gateway.pid])
            rows = draw_rows()[0]
            first, *others = side.models
            every = tuple(question for model in others for question in ask(model.name, model.graph, rows[:1]))
            questions: tuple[Asked, ...] = tuple(ask(first.name, first.graph, rows[:ASKED]))
            contestant = Contestant(side.name, gateway.address, METHOD, questions, gateway.stages, place.headers)
            uvloop.run(verify([replace(contestant, questions=(*questions, *every))]))
            yield Opened(contestant, took, rest_mib)


def row_of(opened: Opened) -> tuple[Cell, ...]:
    """Returns a row of the table of starts."""
    return opened.contestant.name, round(opened.start_seconds, 2), round(opened.rest_mib)
