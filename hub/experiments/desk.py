"""Carries out what people ask of `gapura experiments`: changes the tags, publishes the model, and says what is live."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from pydantic import ValidationError

from hub.errors import BusyError, HubError
from hub.experiments.buckets import BUCKETS
from hub.experiments.changes import Changes
from hub.experiments.design import Design, Guardrails, State, default_seed, explain_fault
from hub.experiments.groups import alone, find_room, taken_ranges
from hub.experiments.words import describe_weights
from hub.freeze import require_thawed
from hub.identity import current_user
from hub.live_catalog import open_catalog
from hub.publication import publish_model, tell
from hub.publishing.outcome import Outcome, Result
from hub.registry import ModelRegistry
from hub.registry.moves import Author
from hub.registry.weights import parse_weight
from hub.settings import HubSettings, read_settings

Say = Callable[[str], None]

_LOCK_SECONDS = 10.0  # a hub that watches does it itself, soon
_FAILURES = frozenset({Result.REFUSED, Result.HELD})


@dataclass(frozen=True, slots=True)
class Request:
    """An experiment that somebody wants.

    Attributes:
        weights: Shares of its challengers, in hundredths of a percent.
        seed: What units are hashed with; its name where that is not said.
        tenants: Tenants whose calls it takes; all where there are none.
        conditions: Values by request field.
        group: Keeps units of others of this group out.
        share: Percentage of the group that it gets.
        limits: Of its guardrails, where they differ from the usual ones; None for no guardrails.
    """

    weights: Mapping[str, int]
    seed: str | None
    tenants: Sequence[str]
    conditions: Mapping[str, Sequence[str]]
    group: str | None
    share: float | None
    limits: Mapping[str, float] | None


@dataclass(frozen=True, slots=True)
class Desk:
    """Where one experiment is changed.

    Attributes:
        settings: Of the hub.
        changes: Writes the registry.
    """

    settings: HubSettings
    changes: Changes

    @classmethod
    def open(cls, model: str, name: str, *, by: str | None, reason: str, override: str | None = None) -> Self:
        """Opens the registry that settings name.

        Raises:
            HubError: It cannot be reached.
        """
        settings = read_settings()
        author = Author(by or current_user(), reason)
        return cls(settings, Changes(ModelRegistry(settings.registry_uri), model, name, author, override))

    def create(self, request: Request, say: Say) -> None:
        """Adds an experiment, which divides no calls yet.

        Raises:
            HubError: Something about it is wrong, or its group has no room.
        """
        changes = self.changes
        with alone(self.settings.var):
            changes.create(self._design(request), request.weights)
        say(
            f"{changes.model} experiment {changes.name} created: {describe_weights(request.weights)}; `start` starts it"
        )

    def start(self, say: Say) -> bool:
        """Lets it divide calls; returns whether that is live."""
        self._require_thawed()
        self.changes.set_state(State.RUNNING)
        return self._publish("started", say)

    def pause(self, say: Say) -> bool:
        """Lets the champion answer; returns whether that is live."""
        self.changes.set_state(State.PAUSED)
        return self._publish("paused", say)

    def ramp(self, weights: Mapping[str, int], say: Say) -> bool:
        """Changes shares; returns whether that is live."""
        wanted, _ = self.changes.read()
        grows = any(weight > wanted.weights.get(arm, 0) for arm, weight in weights.items())
        if grows and wanted.design.state is State.RUNNING:
            self._require_thawed()
        self.changes.ramp(weights)
        return self._publish(f"ramped: {describe_weights({**wanted.weights, **weights})}", say)

    def stop(self, say: Say) -> bool:
        """Removes it; returns whether that is live."""
        self.changes.stop()
        return self._publish("stopped", say)

    def _design(self, request: Request) -> Design:
        """Returns what was asked for.

        Raises:
            HubError: Something about it is wrong, or its group has no room.
        """
        changes, limits = self.changes, request.limits
        try:
            fields: dict[str, Any] = {
                "seed": request.seed or default_seed(changes.model, changes.name),
                "state": State.CREATED,
                "arms": tuple(request.weights),
                "tenants": tuple(request.tenants),
                "conditions": request.conditions,
                "guardrails": None if limits is None else Guardrails.model_validate(limits),
            }
            if request.group is not None:
                buckets = parse_weight(str(request.share))
                if not buckets:
                    raise HubError("a share of 0 % of a group is none: give it more")
                taken = taken_ranges(changes.registry.models())
                fields["exclusion"] = find_room(request.group, min(buckets, BUCKETS), taken)
            return Design.model_validate(fields)
        except ValidationError as error:
            raise HubError(explain_fault(error)) from error

    def _require_thawed(self) -> None:
        if not self.changes.override:
            require_thawed(self.settings.freeze, self.changes.model)

    def _publish(self, done: str, say: Say) -> bool:
        """Publishes the model; returns whether the experiment is live as it was decided."""
        changes = self.changes
        say(f"{changes.model} experiment {changes.name} {done}")
        try:
            outcomes = publish_model(
                self.settings,
                changes.model,
                registry=changes.registry,
                catalog=open_catalog(self.settings),
                lock_seconds=_LOCK_SECONDS,
            )
        except BusyError:
            say("another publisher is at work, and makes it live")
            return True
        for outcome in outcomes:
            tell(outcome, say)
        return not any(_concerns(outcome, changes.name) for outcome in outcomes)


def _concerns(outcome: Outcome, experiment: str) -> bool:
    """Whether an outcome keeps an experiment from being as it was decided."""
    return outcome.experiment == experiment and outcome.result in _FAILURES
