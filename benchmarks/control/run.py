"""One gateway under two names in alternating rounds: the ratio has to be 1, and its spread is the machine's noise."""

import tempfile
from dataclasses import replace
from pathlib import Path

import uvloop

from benchmarks.arena import open_arena
from benchmarks.gbm import draw_rows
from benchmarks.lanes.field import API_KEY, SMALL, compose_models
from benchmarks.measuring.contestants import Contestant
from benchmarks.measuring.framing import METHOD
from benchmarks.measuring.h2load import Shape
from benchmarks.measuring.measurement import Pace, play
from benchmarks.measuring.questions import ask
from benchmarks.measuring.ratios import ratio_of
from benchmarks.measuring.results import Findings
from benchmarks.measuring.verification import verify

SHAPE, QUESTIONS = Shape(8, 32), 40
THOROUGH, QUICK = Pace(rounds=16, seconds=2.0, warm_up_seconds=0.3), Pace(rounds=10, seconds=1.0, warm_up_seconds=0.3)
LEAST, MOST = 0.95, 1.05
FIGURES = {"calls_per_second": "calls/s", "cpu_per_1000": "CPU per 1,000 calls"}
SAME, AGAIN = "gateway", "gateway again"


def measure(pace: Pace) -> Findings:
    """Runs the suite."""
    models = compose_models(heavy=False)[:1]
    with (
        open_arena("triton", 1, models=models, settings={"GAPURA_LISTENER": "native"}) as arena,
        tempfile.TemporaryDirectory(prefix="gapura-bench-") as scratch,
    ):
        questions = tuple(ask(SMALL, models[0].graph, draw_rows()[0][:QUESTIONS]))
        supervisors = tuple(node.supervisor for node in arena.nodes if node.supervisor is not None)
        stages = {"gateway": (arena.pid,), "Triton": supervisors}
        same = Contestant(SAME, arena.address, METHOD, questions, stages, ((API_KEY, arena.api_key),))
        both = [same, replace(same, name=AGAIN)]
        sizes = uvloop.run(verify(both))
        rounds = uvloop.run(play(both, sizes, SHAPE, pace, Path(scratch)))
    findings = Findings()
    findings.take(f"one row, {SHAPE}", rounds)
    for figure, label in FIGURES.items():
        ratio = ratio_of(*([getattr(each, figure) for each in rounds[name]] for name in (AGAIN, SAME)))
        findings.compare(f"{label}, A over A", ratio, at_least=LEAST, at_most=MOST)
    return findings


PARTS = {"same": measure}
