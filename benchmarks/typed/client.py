"""Lets clients with generated stubs alternate, and measures the servers that they ask."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any

from benchmarks.measuring.contestants import Contestant
from benchmarks.measuring.measurement import Measurement, Pace, others_seconds, stage_seconds
from benchmarks.measuring.memory import tree_mib
from benchmarks.measuring.ratios import order_of_round
from benchmarks.typed.credit import NAME, Credit, fields_of
from benchmarks.typed.questions import SCORE, scores_of

CALLERS = 64


def play_stubs(contestants: Sequence[Contestant], credit: Credit, pace: Pace) -> dict[str, list[Measurement]]:
    """Measures contestants, asked by typed stubs or by KServe's, in turns; returns the rounds of each."""
    by_name = {contestant.name: contestant for contestant in contestants}
    rounds: dict[str, list[Measurement]] = {name: [] for name in by_name}
    for number in range(pace.rounds):
        for name in order_of_round(list(by_name), number):
            rounds[name].append(measure_once(by_name[name], compose_order(by_name[name], credit, pace)))
    return rounds


def compose_order(contestant: Contestant, credit: Credit, pace: Pace) -> dict[str, Any]:
    """Returns what a client is told to do."""
    return {
        "way": "typed" if contestant.path == SCORE else "raw",
        "address": contestant.address,
        "headers": contestant.headers,
        "callers": CALLERS,
        "warm_up_seconds": pace.warm_up_seconds,
        "seconds": pace.seconds,
        "model": NAME,
        "rows": credit.applicants.tolist(),
        "fields": [fields_of(number, applicant) for number, applicant in enumerate(credit.applicants)],
        "scores": [score for (score,) in scores_of(credit, 1)],
    }


def measure_once(contestant: Contestant, order: Mapping[str, Any]) -> Measurement:
    """Runs a client; the CPU of the server is over all of its calls, those of the warm-up too."""
    before = monotonic(), stage_seconds(contestant), others_seconds(contestant)
    command = [sys.executable, "-m", "benchmarks.typed.stubs"]
    client = subprocess.run(command, input=json.dumps(order).encode(), check=True, stdout=subprocess.PIPE)  # noqa: S603 - our own module
    after = monotonic(), stage_seconds(contestant), others_seconds(contestant)
    did = json.loads(client.stdout)
    used = {stage: after[1][stage] - before[1][stage] for stage in contestant.stages}
    return Measurement(
        calls_per_second=did["calls_per_second"],
        p50_ms=did["p50_ms"],
        p99_ms=did["p99_ms"],
        stages={stage: each / max(did["calls"], 1) * 1000 for stage, each in used.items()},
        rss_mib=tree_mib(contestant.roots),
        calls=did["calls"],
        unanswered=did["unanswered"],
        looked_at=did["calls"],
        wrong=did["wrong"],
        others_cores=max(after[2] - before[2], 0.0) / (after[0] - before[0]),
    )
