"""Verifies the typed method of a model: answers over gRPC against the native model's, and REST against gRPC."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import grpc
from gapura_client import InvalidArgument

from benchmarks.teams.champions import Champion
from benchmarks.teams.comparison import largest_difference
from benchmarks.teams.questions import Views, as_stored, ask
from benchmarks.teams.rest import Rest, as_json
from gateway.contracts.descriptors import AnnotatedMethod
from hub.training.native import native_answers

MOST_TRIED = 2  # times the rows that are wanted, since a decision may refuse some


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found out about a method.

    Attributes:
        rows: Rows that were asked and answered.
        refused: Rows that the method's decision refused, such as a price that is out of bounds.
        difference: The largest difference between an answer and the native model's, relative above 1.
        rest: Answers over REST that were the same as over gRPC.
        p50_ms: Median time of a call over gRPC, in milliseconds.
    """

    rows: int
    refused: int
    difference: float
    rest: int
    p50_ms: float


@dataclass(frozen=True, slots=True)
class Caller:
    """How to reach the gateway.

    Attributes:
        target: `host:port`.
        key: Key of a tenant that may call all models.
        channel: To the same.
    """

    target: str
    key: str
    channel: grpc.Channel


def verify(method: AnnotatedMethod, champion: Champion, views: Views, caller: Caller, rows: int) -> Verified:
    """Asks for real rows one by one.

    Args:
        method: The method.
        champion: The model that answers it.
        views: Live feature views by name.
        caller: How to reach the gateway.
        rows: How many rows to ask.

    Raises:
        AssertionError: Something else than a number differs, or REST answers otherwise than gRPC.
    """
    asked = as_stored(champion.rows.head(MOST_TRIED * rows), method, views)
    questions = ask(method, asked, views)
    push(questions.stored)
    call = caller.channel.unary_unary(method.path, method.request.SerializeToString, method.response.FromString)
    answers, seconds, refused = dict[int, Any](), [], 0
    for number, request in enumerate(questions.requests):
        started = perf_counter()
        try:
            answers[number] = call(request)
        except InvalidArgument:
            refused += 1
            continue
        seconds.append(perf_counter() - started)
        if len(answers) == rows:
            break
    kept = asked.iloc[list(answers)]
    native = native_answers(champion.model, kept, champion.metadata)
    difference = largest_difference(method, list(answers.values()), native)
    same = same_over_rest(method, [questions.requests[number] for number in answers], answers.values(), caller)
    return Verified(len(answers), refused, difference, same, median(seconds) * 1000)


def same_over_rest(method: AnnotatedMethod, requests: Iterable[Any], answers: Iterable[Any], caller: Caller) -> int:
    """Returns how many requests REST answers; raises AssertionError where it answers otherwise than gRPC did."""
    pool = method.request.DESCRIPTOR.file.pool
    rest, same = Rest(caller.target, caller.key, pool.FindMethodByName(method.full_name)), 0
    for request, answer in zip(requests, answers, strict=True):
        told, wanted = rest.call(request), as_json(answer)
        assert told == wanted, f"REST answers {told}, gRPC {wanted}"
        same += 1
    return same


def push(stored: Mapping[str, list[dict[str, Any]]]) -> None:
    """Writes rows into feature views by the real command.

    Raises:
        RuntimeError: It failed.
    """
    for view, rows in stored.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{view}.jsonl"
            path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
            command = [sys.executable, "-m", "gateway", "features", "push", view, str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
        if done.returncode:
            raise RuntimeError(f"{' '.join(command[3:])}: {done.stderr.strip() or done.stdout.strip()}")
