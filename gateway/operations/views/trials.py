"""Trials: the experiments that the catalog has, and how each of their arms fares."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from gateway.operations.figures import percentile, sums_by, sums_by_outcome
from gateway.operations.look import Look
from gateway.operations.states import LiveExperiment, LiveModel
from gateway.telemetry.families import SCORES, TRIALS
from gateway.telemetry.layout import Labels
from gateway.telemetry.reading import Numbers

BASIS_POINTS = 10_000
CHAMPION = "champion"


@dataclass(frozen=True, slots=True)
class Trial:
    """How an arm of an experiment fares in the window.

    Attributes:
        name: Of the arm.
        version: Its version; None if the model has no such arm now.
        planned: The share that it is to have.
        halted: Why it has none, or nothing.
        seconds: Length of the window.
        outcomes: Calls by duration, as `TRIALS.bounds` divides them, by how they ended.
        scores: Sum of scores, then the count of each bucket.
    """

    name: str
    version: int | None
    planned: float
    halted: str
    seconds: float
    outcomes: dict[str, Numbers] = field(default_factory=dict)
    scores: Numbers = field(default_factory=lambda: np.zeros(SCORES.cells))

    def ended(self, outcome: str) -> float:
        """Returns how many calls ended in a way."""
        return float(self.outcomes[outcome].sum()) if outcome in self.outcomes else 0.0

    @property
    def calls(self) -> float:
        """Calls."""
        return sum(map(self.ended, self.outcomes))

    @property
    def rate(self) -> float:
        """Calls a second."""
        return self.calls / self.seconds if self.seconds else 0.0

    @property
    def failed_share(self) -> float | None:
        """Share of calls that the server failed; None if there was no call."""
        return self.ended("failed") / self.calls if self.calls else None

    @property
    def p50(self) -> float | None:
        """Median duration of answered calls in seconds."""
        return self._percentile(0.5)

    @property
    def p99(self) -> float | None:
        """Duration in seconds that 1 answered call in 100 exceeds."""
        return self._percentile(0.99)

    @property
    def mean_score(self) -> float | None:
        """Mean score; None if there was none."""
        rows = float(self.scores[1:].sum())
        return float(self.scores[0]) / rows if rows else None

    def _percentile(self, share: float) -> float | None:
        answered = self.outcomes.get("answered")
        return None if answered is None else percentile(answered, TRIALS.bounds, share)


@dataclass(frozen=True, slots=True)
class Contest:
    """An experiment and its arms, the champion first.

    Attributes:
        model: Registered name.
        experiment: As the catalog has it.
        trials: Its arms.
    """

    model: str
    experiment: LiveExperiment
    trials: Sequence[Trial]

    @property
    def calls(self) -> float:
        """Calls of all arms."""
        return sum(trial.calls for trial in self.trials)


def contests_in(look: Look) -> list[Contest]:
    """Returns the experiments of the catalog, those that run first."""
    durations: dict[Labels, dict[str, Numbers]] = {}
    scores: dict[Labels, Numbers] = {}
    if look.window is not None:
        durations = sums_by_outcome(look.window, TRIALS)
        scores = sums_by(look.window, SCORES, lambda labels: labels)
    models = look.catalog.models if look.catalog else ()
    seconds = look.window.seconds if look.window else 0.0
    found = [
        contest_of(model, experiment, durations, scores, seconds)
        for model in models
        for experiment in model.experiments
    ]
    return sorted(found, key=lambda contest: (not contest.experiment.running, contest.model, contest.experiment.name))


def champion_first(names: Iterable[str]) -> list[str]:
    """Returns names of arms in the order in which they are shown."""
    return sorted(names, key=lambda name: (name != CHAMPION, name))


def contest_of(
    model: LiveModel,
    experiment: LiveExperiment,
    durations: dict[Labels, dict[str, Numbers]],
    scores: dict[Labels, Numbers],
    seconds: float,
) -> Contest:
    """Puts the arms of an experiment side by side; what is counted for earlier versions of an arm is left out."""
    versions = {arm.name: arm.version for arm in model.arms}
    trials = []
    for name in champion_first(experiment.shares):
        version = versions.get(name)
        labels = (model.name, experiment.name, name, str(version))
        outcomes = {outcome: numbers[1:] for outcome, numbers in durations.get(labels, {}).items()}
        planned, halted = experiment.shares[name] / BASIS_POINTS, experiment.halts.get(name, "")
        counted = scores.get(labels, np.zeros(SCORES.cells))
        trials.append(Trial(name, version, planned, halted, seconds, outcomes, counted))
    return Contest(model.name, experiment, trials)
