"""What the protected edge costs, stage by stage, against Triton asked directly and behind the same Envoy."""

import tempfile
from pathlib import Path

import uvloop

from benchmarks.edge import ground
from benchmarks.measuring.h2load import Shape
from benchmarks.measuring.measurement import Pace, play
from benchmarks.measuring.ratios import ratio_of
from benchmarks.measuring.results import Findings
from benchmarks.measuring.verification import verify

SHAPE = Shape(8, 32)
FURTHER = {ground.NATIVE_LIVE, ground.GRPCIO_LIVE, ground.EDGE_TWO_TLS, ground.EDGE_BARE, ground.EDGE_SILENT}
"""Who is left out where figures are rough."""

THOROUGH, QUICK = Pace(rounds=6, seconds=4.0, warm_up_seconds=1.0), Pace(rounds=4, seconds=1.0, warm_up_seconds=0.3)
BARS = (
    (ground.EDGE, ground.DIRECT, 1.3),
    (ground.EDGE, ground.BEFORE, 1.5),
    (ground.EDGE_TWO, ground.DIRECT, 1.3),
    (ground.EDGE_TWO, ground.BEFORE, 1.5),
    (ground.EDGE_TLS, ground.DIRECT, 1.0),
    (ground.EDGE_TWO_TLS, ground.DIRECT, 1.0),
    (ground.EDGE, ground.BATCHING, 1.3),
    (ground.NATIVE, ground.DIRECT, 2.0),
    (ground.NATIVE, ground.BATCHING, 2.0),
    (ground.NATIVE, ground.GRPCIO, 3.0),
    (ground.NATIVE_LIVE, ground.GRPCIO_LIVE, 5.0),
)
"""Contestant, whom it is compared with, and how many times as many calls a second it has to answer at least."""


def measure(pace: Pace) -> Findings:
    """Runs the suite."""
    with ground.open_ground() as contestants, tempfile.TemporaryDirectory(prefix="gapura-bench-") as scratch:
        found = [each for name, each in contestants.items() if not (pace.rough and name in FURTHER)]
        sizes = uvloop.run(verify(found))
        rounds = uvloop.run(play(found, sizes, SHAPE, pace, Path(scratch)))
    findings = Findings()
    findings.take(f"one row, {SHAPE}", rounds)
    for name, other, least in BARS:
        if name not in rounds:
            continue
        rates = ([each.calls_per_second for each in rounds[who]] for who in (name, other))
        findings.compare(f"calls/s of {name} over {other}", ratio_of(*rates), at_least=least)
    return findings


PARTS = {"ways": measure}
