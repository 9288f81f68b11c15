"""Typed credit and fraud calls by ids alone, against the same calls with all features in the request.

A gateway in a process of its own, over trees grown on made-up rows, and a Valkey that has the features of these rows.
Every request has the score that ONNX Runtime gives its row, in both ways.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
import uvloop

from benchmarks.arena import open_arena
from benchmarks.features.scorers import BUDGET_MS, CREDIT, FRAUD, train
from benchmarks.measuring.contestants import Contestant
from benchmarks.measuring.h2load import Shape
from benchmarks.measuring.measurement import Pace, play
from benchmarks.measuring.ratios import ratio_of
from benchmarks.measuring.results import Findings
from benchmarks.measuring.verification import verify
from benchmarks.redis_servers import redis_server

SHAPE, ASKED = Shape(8, 32), 512
METHODS = {"credit, 1 view": CREDIT, "fraud, 2 views": FRAUD}
WAYS = {"by ids alone": True, "all in the request": False}
LEAST_RATIO = 0.8


@contextmanager
def open_ground(backend: str = "onnx", listener: str = "native") -> Iterator[list[Contestant]]:
    """Runs a gateway whose features are stored; yields both kinds of calls of each method."""
    scorers = {title: train(method) for title, method in METHODS.items()}
    with tempfile.TemporaryDirectory(prefix="gapura-") as folder, redis_server(Path(folder)) as server:
        with redis.Redis.from_url(server.url) as client:
            for scorer in scorers.values():
                scorer.store(client, ASKED)
        settings = {"GAPURA_FEATURES_URL": server.url, "GAPURA_FEATURES_BUDGET_MS": BUDGET_MS}
        settings["GAPURA_LISTENER"] = listener
        models = [scorer.model for scorer in scorers.values()]
        views = [view for scorer in scorers.values() for view in scorer.views]
        with open_arena(backend, 1, models=models, views=views, settings=settings) as arena:
            stages = {"gateway": (arena.pid,), "Valkey": (server.pid,)}
            headers = (("x-api-key", arena.api_key),)
            yield [
                Contestant(
                    f"{title}, {way}",
                    arena.address,
                    scorer.method.path,
                    scorer.questions(ASKED, by_ids=by_ids),
                    stages,
                    headers,
                )
                for title, scorer in scorers.items()
                for way, by_ids in WAYS.items()
            ]


def measure(pace: Pace) -> Findings:
    """Runs the part."""
    with open_ground() as found, tempfile.TemporaryDirectory(prefix="gapura-bench-") as scratch:
        sizes = uvloop.run(verify(found))
        rounds = uvloop.run(play(found, sizes, SHAPE, pace, Path(scratch)))
    findings = Findings()
    findings.take(f"typed calls, {SHAPE}", rounds)
    for title in METHODS:
        by_ids, by_all = ([each.calls_per_second for each in rounds[f"{title}, {way}"]] for way in WAYS)
        findings.compare(f"calls/s by ids alone, {title}", ratio_of(by_ids, by_all), at_least=LEAST_RATIO)
    return findings
