"""Counts how calls of experiments go: durations by outcome and scores, of each arm of each experiment."""

from collections.abc import Callable
from typing import NamedTuple

from gateway.errors import InvalidRequest, NotFound, Overloaded, PermissionDenied, TooLarge, Unauthenticated
from gateway.scores import scores_of
from gateway.telemetry.families import SCORES, SUBSTITUTED, TRIALS
from gateway.telemetry.instruments import Instruments
from gateway.telemetry.telemetry import forget_many
from gateway.types import Arm, ModelVersion, Tensors

ANSWERED, FAILED, REFUSED = "answered", "failed", "refused"

# What is told with a code that is not among those by which a server says that it failed.
REFUSALS = (InvalidRequest, NotFound, Overloaded, PermissionDenied, TooLarge, Unauthenticated)

ArmKey = tuple[ModelVersion, str, str]
Observe = Callable[[float], None]


class ArmSeries(NamedTuple):
    """The instruments of an arm of an experiment.

    Attributes:
        answered: Takes the seconds of a call that was answered.
        failed: Of one that a server is to blame for.
        refused: Of one that its caller is to blame for, or has left.
        score: Takes a score.
    """

    answered: Observe
    failed: Observe
    refused: Observe
    score: Observe


class Trials:
    """Counts calls that experiments have divided.

    Args:
        instruments: Count them.
    """

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments
        self._arms: dict[ArmKey, ArmSeries] = {}

    def answered(self, arm: Arm, seconds: float, outputs: Tensors) -> None:
        """Counts a call that an arm of an experiment answered, and its scores."""
        series = self._arms.get((arm.version, arm.experiment, arm.name)) or self._learn(arm)
        series.answered(seconds)
        observe = series.score
        for score in scores_of(arm.version, outputs):
            observe(score)

    def failed(self, arm: Arm, seconds: float, error: BaseException) -> None:
        """Counts a call that ended with an error: the caller's own, or a failure."""
        series = self._arms.get((arm.version, arm.experiment, arm.name)) or self._learn(arm)
        (series.failed if is_failure(error) else series.refused)(seconds)

    def substituted(self, arm: Arm) -> None:
        """Counts a call that the champion answers since no node is ready for the arm that was chosen."""
        self._instruments.counter(SUBSTITUTED, arm.version.model, arm.experiment).add()

    def _learn(self, arm: Arm) -> ArmSeries:
        """Finds the instruments of an arm."""
        forget_many(self._arms)
        version, make = arm.version, self._instruments.histogram
        labels = (version.model, arm.experiment, arm.name, str(version.number))
        answered, failed, refused = (make(TRIALS, *labels, outcome).observe for outcome in (ANSWERED, FAILED, REFUSED))
        series = ArmSeries(answered, failed, refused, make(SCORES, *labels).observe)
        self._arms[version, arm.experiment, arm.name] = series
        return series


def is_failure(error: BaseException) -> bool:
    """Says whether a server is to blame for what a call ended with: it is not for refusals and callers who leave."""
    return isinstance(error, Exception) and not isinstance(error, REFUSALS)
