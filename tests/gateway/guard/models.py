"""Live models with an experiment, calls that their arms answer, and the wait for what comes of them."""

import asyncio
from collections.abc import Callable
from struct import pack
from time import monotonic

import numpy as np

from gateway.experiments import Experiment, Halted, Slice
from gateway.guard.sentry import Sentry
from gateway.telemetry.trials import Trials
from gateway.types import Arm, Assignment, Model, ModelVersion, Signature, Tensors, TensorSpec
from tests.gateway.guard.arms import LIMITS, TYPICAL_SECONDS, Behaviour

SLICES = (Slice("challenger", 0, 2000), Slice("champion", 2000, 8000))
TRIAL = Experiment("trial", "seed", is_running=True, slices=SLICES, guardrails=LIMITS, revision="r1")
BATCH_SECONDS = 0.02


def model(name: str = "team_model", *experiments: Experiment) -> Model:
    """Returns a model with a champion and a challenger."""
    versions = {number: version(name, number) for number in (1, 2)}
    arms = Arm("champion", versions[1]), Arm("challenger", versions[2])
    return Model(name, versions, arms, {}, experiments=experiments)


def version(name: str, number: int) -> ModelVersion:
    """Returns a version that gives a score."""
    return ModelVersion(name, number, Signature((), (TensorSpec("score", "FP32", ()),)), 32, f"{name}-{number}")


def halted(name: str = "team_model", revision: str = "r1") -> Halted:
    """Returns what a verdict on the challenger says."""
    return Halted(name, "trial", "challenger", 2, revision)


def calling(trials: Trials, live: Model, how: dict[str, Behaviour], seed: int = 1) -> Callable[[float], None]:
    """Returns what lets calls of the arms come, as many as belong to some seconds."""
    random = np.random.default_rng(seed)
    chosen = {arm: Arm(arm.name, arm.version, "trial", Assignment.UNIT) for arm in live.arms}

    def come(seconds: float) -> None:
        for arm, meant in chosen.items():
            does = how[arm.name]
            for _ in range(random.poisson(does.rate * seconds)):
                took = TYPICAL_SECONDS * does.slower * float(np.exp(random.normal(0, 0.5)))
                if random.random() < does.errors:
                    meant_error = RuntimeError()
                    trials.failed(meant, took, meant_error)
                    continue
                score = min(random.beta(1, 4) + does.shift, 1.0)
                trials.answered(meant, took, Tensors(1, ((),), (pack("f", score),)))

    return come


async def come_until(done: Callable[[], bool], within: float, *calls: Callable[[float], None]) -> float:
    """Lets calls come until something has happened; returns after how many seconds it has."""
    began = last = monotonic()
    while not done():
        assert monotonic() - began < within, "it does not happen"
        await asyncio.sleep(BATCH_SECONDS)
        now = monotonic()
        for come in calls:
            come(now - last)
        last = now
    return monotonic() - began


def guards(sentry: Sentry) -> int | None:
    """Returns the process of a sentry's guard, if it has one that runs."""
    process = sentry.process
    return None if process is None or process.status is not None else process.pid
