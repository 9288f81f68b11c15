"""The same applicants asked as typed calls, as raw KServe calls and over REST, alone and sixteen at a time."""

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import uvloop

from benchmarks.measuring.contestants import Asked, Contestant
from benchmarks.measuring.framing import METHOD
from benchmarks.measuring.h2load import Shape
from benchmarks.measuring.measurement import Measurement, Pace, play
from benchmarks.measuring.ratios import Ratio, ratio_of
from benchmarks.measuring.results import Findings, Table
from benchmarks.measuring.verification import verify
from benchmarks.typed import questions
from benchmarks.typed.client import play_stubs
from benchmarks.typed.credit import Credit, compose_view, train_credit
from benchmarks.workplace import Running, Workplace, open_workplace

SHAPE, ASKED, TOGETHER, LEAST = Shape(8, 32), 256, 16, 1.0
THOROUGH, QUICK = Pace(rounds=8, seconds=3.0, warm_up_seconds=0.5), Pace(rounds=6, seconds=0.6, warm_up_seconds=0.2)
TYPED, RAW = "typed", "raw"
TYPED_TOGETHER, RAW_TOGETHER = f"typed, {TOGETHER} rows", f"raw, {TOGETHER} rows"
EDGE_TYPED, EDGE_RAW, EDGE_REST = "typed, edge", "raw, edge", "REST, edge"
FIGURES = {"calls_per_second": "calls/s", "p50_ms": "p50", "cpu_per_1000": "CPU per call"}
BACKENDS = {"embedded": "onnx", "triton": "triton"}
Rounds = Mapping[str, Sequence[Measurement]]


def measure(backend: str, pace: Pace) -> Findings:
    """Compares the ways to ask a gateway itself, under a load of `h2load`."""
    credit = train_credit(ASKED)
    with (
        open_workplace([credit.model], [compose_view()], triton=backend == "triton") as place,
        place.gateway(backend) as gateway,
    ):
        rounds = load(bare(place, gateway, credit), pace)
    findings = Findings()
    findings.take(f"8x32 calls, backend {backend}", rounds)
    findings.tables.append(tabulate_ratios(rounds, ((TYPED, RAW), (TYPED_TOGETHER, RAW_TOGETHER))))
    findings.compare(f"calls/s, typed over raw, backend {backend}", ratio(rounds, TYPED, RAW), at_least=LEAST)
    return findings


def measure_edge(pace: Pace) -> Findings:
    """Compares the ways to ask through the protected edge, before a gateway over Triton."""
    credit = train_credit(ASKED)
    with open_workplace([credit.model], [compose_view()], triton=True) as place, place.edge("triton") as edge:
        typed = Contestant(
            EDGE_TYPED, edge.address, questions.SCORE, questions.typed_questions(credit), edge.stages, place.headers
        )
        raw = Contestant(EDGE_RAW, edge.address, METHOD, questions.raw_questions(credit, 1), edge.stages, place.headers)
        json = Contestant(
            EDGE_REST,
            edge.address,
            questions.REST,
            questions.rest_questions(credit),
            edge.stages,
            (*place.headers, ("content-type", "application/json")),
            grpc=False,
        )
        rounds = load([typed, raw, json], fewer(pace))
    findings = Findings()
    findings.take("8x32 calls through the edge; of REST, 256 connections", rounds)
    findings.tables.append(tabulate_ratios(rounds, ((EDGE_TYPED, EDGE_RAW), (EDGE_REST, EDGE_TYPED))))
    return findings


def measure_stubs(pace: Pace) -> Findings:
    """Compares clients with generated stubs, each a process of 64 callers."""
    credit, findings = train_credit(ASKED), Findings()
    with open_workplace([credit.model], [compose_view()], triton=True) as place, ExitStack() as stack:
        found = []
        for name, backend in BACKENDS.items():
            gateway = stack.enter_context(place.gateway(backend))
            found += [replace(each, name=f"{each.name}, {name}") for each in bare(place, gateway, credit)[:2]]
        uvloop.run(verify(found))
        rounds = play_stubs(found, credit, fewer(pace))
    findings.take("64 callers with generated stubs (grpc.aio), every answer looked at", rounds)
    findings.tables.append(tabulate_ratios(rounds, [(f"typed, {name}", f"raw, {name}") for name in BACKENDS]))
    return findings


def bare(place: Workplace, gateway: Running, credit: Credit) -> list[Contestant]:
    """Returns the ways to ask a gateway itself."""
    asked: dict[str, tuple[str, tuple[Asked, ...]]] = {
        TYPED: (questions.SCORE, questions.typed_questions(credit)),
        RAW: (METHOD, questions.raw_questions(credit, 1)),
        TYPED_TOGETHER: (questions.BATCH, questions.batch_questions(credit, TOGETHER)),
        RAW_TOGETHER: (METHOD, questions.raw_questions(credit, TOGETHER)),
    }
    return [
        Contestant(name, gateway.address, path, each, gateway.stages, place.headers)
        for name, (path, each) in asked.items()
    ]


def load(contestants: Sequence[Contestant], pace: Pace) -> Rounds:
    """Verifies contestants, and lets them alternate."""
    with tempfile.TemporaryDirectory(prefix="gapura-bench-") as scratch:
        sizes = uvloop.run(verify(contestants))
        return uvloop.run(play(contestants, sizes, SHAPE, pace, Path(scratch)))


def fewer(pace: Pace) -> Pace:
    """Returns a pace for what nothing is promised of."""
    return replace(pace, rounds=max(pace.rounds * 2 // 3, 1))


def ratio(rounds: Rounds, name: str, other: str, figure: str = "calls_per_second") -> Ratio:
    """Returns a contestant's figure over another's."""
    return ratio_of(*([getattr(each, figure) for each in rounds[who]] for who in (name, other)))


def tabulate_ratios(rounds: Rounds, pairs: Sequence[tuple[str, str]]) -> Table:
    """Returns each contestant's figures over those of the one it is compared with."""
    rows = (
        (f"{name} over {other}", *(str(ratio(rounds, name, other, figure)) for figure in FIGURES))
        for name, other in pairs
    )
    return Table("ratios, with the lowest and highest round", ("", *FIGURES.values()), tuple(rows))


PARTS = {
    **{name: partial(measure, backend) for name, backend in BACKENDS.items()},
    "edge": measure_edge,
    "stubs": measure_stubs,
}
