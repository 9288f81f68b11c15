"""A bout: one peer starts, answers right, and alternates with Gapura: ratios are of the same minutes."""

import asyncio
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

import uvloop
from gapura_supervisor.addresses import LOOPBACK, free_port

from benchmarks.measuring.asking import Ask, UnansweredError, open_caller
from benchmarks.measuring.contestants import Asked, Contestant
from benchmarks.measuring.framing import PREFIX_BYTES
from benchmarks.measuring.h2load import Shape
from benchmarks.measuring.measurement import Measurement, Pace, measure
from benchmarks.measuring.ratios import order_of_round
from benchmarks.measuring.verification import WrongAnswerError
from benchmarks.peers.environments import HOME, make_environment
from benchmarks.peers.exam import Exam
from benchmarks.peers.peer import Peer, Place
from benchmarks.peers.processes import LOOK_SECONDS, Running, running

GRPC_SHAPE, HTTP_SHAPE = Shape(8, 32), Shape(64, 1)
"""HTTP/1.1 has no streams: each call under way takes a connection."""

Rounds = dict[str, list[Measurement]]


@dataclass(frozen=True, slots=True)
class Bout:
    """What came of a bout.

    Attributes:
        rounds: Of each contestant, by its name.
        cold_start_seconds: From the start of the peer's first process to its first right answer.
    """

    rounds: Rounds
    cold_start_seconds: float


def fight(  # noqa: PLR0913, PLR0917 - what a bout consists of
    peer: Peer, beside: Sequence[Contestant], sizes: Mapping[str, int], exam: Exam, pace: Pace, home: Path = HOME
) -> Bout:
    """Measures a peer in turns with others.

    Args:
        peer: It is started, and has ended afterwards.
        beside: They run, and are verified.
        sizes: Of their answers, by name.
        exam: That the peer has to pass.
        pace: How long, and how often.
        home: Of the environments.

    Raises:
        NoEnvironmentError: The peer's environment cannot be made.
        NoStartError: It does not start.
        WrongAnswerError: It does not answer right.
    """
    with standing(peer, exam, home) as (alive, contestant), tempfile.TemporaryDirectory() as scratch:
        cold = uvloop.run(wait_for_answer(alive, contestant))
        known = {**sizes, contestant.name: uvloop.run(examine(contestant))}
        return Bout(uvloop.run(play([*beside, contestant], known, pace, Path(scratch))), cold)


@contextmanager
def standing(peer: Peer, exam: Exam, home: Path) -> Iterator[tuple[Running, Contestant]]:
    """Runs a peer in a place of its own; yields it, and it as a contestant."""
    commands = make_environment(peer.requirements, home)
    with tempfile.TemporaryDirectory(prefix="peer-") as scratch:
        place = Place(commands, exam.graph, exam.mlflow_model, Path(scratch), free_port())
        with running(peer, place) as alive:
            address, stages = f"{LOOPBACK}:{place.port}", {"peer": (alive.process.pid,)}
            questions = exam.questions_for(peer)
            yield (
                alive,
                Contestant(peer.name, address, peer.path, questions, stages, peer.headers, grpc=peer.grpc),
            )


async def wait_for_answer(alive: Running, contestant: Contestant) -> float:
    """Asks until a right answer comes; returns the seconds since the start.

    Raises:
        NoStartError: None comes.
    """
    while await ask_anew(contestant):
        alive.require_life()
        await asyncio.sleep(LOOK_SECONDS)
    return time.perf_counter() - alive.started


async def ask_anew(contestant: Contestant) -> str:
    """Asks the first question over a connection of its own; says what is wrong, if anything."""
    async with open_caller(contestant) as ask:
        return await problem_of(contestant.questions[0], ask)


async def problem_of(question: Asked, ask: Ask) -> str:
    """Asks a question; says what is wrong with the answer, or that there is none."""
    try:
        return question.problem(await ask(question.body))
    except (UnansweredError, HTTPException) as error:
        return f"no answer ({error!r})"


async def examine(contestant: Contestant) -> int:
    """Asks all questions; returns the size of the body of an answer to the first.

    Raises:
        WrongAnswerError: Answers are wrong; the message says how many, and how the first of them.
    """
    async with open_caller(contestant) as ask:
        problems = [await problem_of(question, ask) for question in contestant.questions]
        if wrong := [problem for problem in problems if problem]:
            raise WrongAnswerError(f"{contestant.name}: {len(wrong)} of {len(problems)} answers are wrong: {wrong[0]}")
        size = len(await ask(contestant.questions[0].body))
    return size + (PREFIX_BYTES if contestant.grpc else 0)


async def play(contestants: Sequence[Contestant], sizes: Mapping[str, int], pace: Pace, scratch: Path) -> Rounds:
    """Measures contestants in turns, each under the load that its protocol allows; returns the rounds of each."""
    by_name = {contestant.name: contestant for contestant in contestants}
    rounds: Rounds = {name: [] for name in by_name}
    for number in range(pace.rounds):
        for name in order_of_round(list(by_name), number):
            shape = GRPC_SHAPE if by_name[name].grpc else HTTP_SHAPE
            rounds[name].append(await measure(by_name[name], sizes[name], shape, pace, scratch))
    return rounds
