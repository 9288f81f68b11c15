"""Changes experiments of a model: its tags, in an order in which every step is sound, and the history."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from hub.errors import HubError
from hub.experiments.arguments import require_room
from hub.experiments.design import Decision, Design, State, read_design
from hub.experiments.reading import Wanted, read_experiments
from hub.experiments.tags import DEFAULT, experiment_tag, guardrail_tag, keys_of, read_guardrails, weight_tag
from hub.experiments.words import describe_weights
from hub.history import Change
from hub.history.change import EXPERIMENT
from hub.history.entry import LONGEST_NAME, LONGEST_REASON, cut
from hub.registry import ModelRegistry
from hub.registry.aliases import served
from hub.registry.moves import Author
from hub.registry.records import CHAMPION
from hub.registry.weights import percent_of


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes that one person makes to one experiment.

    Attributes:
        registry: Where tags and history are.
        model: Registered name.
        name: Name of the experiment.
        author: Who changes it, and why.
        override: Why freeze windows do not count.
    """

    registry: ModelRegistry
    model: str
    name: str
    author: Author
    override: str | None = None

    def create(self, design: Design, weights: Mapping[str, int]) -> None:
        """Adds an experiment that has not started; what one of its name has left is removed.

        Raises:
            HubError: There is one of this name, or the registry refused.
        """
        tags = self.registry.read_model_tags(self.model)
        if experiment_tag(self.name) in tags:
            raise HubError(f"{self.model} has an experiment {self.name} already: choose another name, or stop it first")
        written: dict[str, str | None] = dict.fromkeys(keys_of(tags, self.name))
        written |= {weight_tag(self.name, arm): percent_of(weight) for arm, weight in weights.items()}
        self._write(written, design)
        self._record("created", "", describe_weights(weights))

    def set_state(self, state: State) -> None:
        """Starts an experiment, or lets it pause.

        Raises:
            HubError: There is none, it is so already, or was never started; or the registry refused.
        """
        tags = self.registry.read_model_tags(self.model)
        design = read_design(self.model, self.name, tags)
        if design.state is state:
            raise HubError(f"the experiment {self.name} of {self.model} is {state} already")
        if state is State.PAUSED and design.state is State.CREATED:
            raise HubError(f"the experiment {self.name} of {self.model} has not started: there is nothing to pause")
        self._write({}, design.model_copy(update={"state": state}))
        self._record("started" if state is State.RUNNING else "paused", "", "")

    def ramp(self, weights: Mapping[str, int]) -> None:
        """Gives challengers other shares; what is said of none stays.

        Raises:
            HubError: There is no such experiment or arm, they are too much together, or the registry refused.
        """
        wanted, tags = self.read()
        if self.name != DEFAULT and (others := weights.keys() - wanted.design.arms):
            raise HubError(
                f"the experiment {self.name} of {self.model} has no arm {min(others)}: its arms are "
                f"{', '.join(wanted.design.arms)}; make another experiment for it"
            )
        after = {**wanted.weights, **weights}
        require_room(after.values())
        lowered_first = sorted(weights, key=lambda arm: weights[arm] - wanted.weights.get(arm, 0))
        written: dict[str, str | None] = {weight_tag(self.name, arm): percent_of(weights[arm]) for arm in lowered_first}
        if self.name == DEFAULT:
            self.registry.weigh(self.model, CHAMPION, "", self.author)  # it has what others leave
            for arm in lowered_first:
                self.registry.weigh(self.model, arm, percent_of(weights[arm]), self.author)
        lost = read_guardrails(tags, self.name)
        written |= {guardrail_tag(self.name, arm): None for arm, weight in weights.items() if weight and arm in lost}
        self._write(written, wanted.design)
        if self.name != DEFAULT:
            self._record("ramped", describe_weights(wanted.weights), describe_weights(after))

    def stop(self) -> None:
        """Removes an experiment with all that belongs to it; the history keeps it.

        Raises:
            HubError: There is none, or the registry refused.
        """
        tags = self.registry.read_model_tags(self.model)
        if experiment_tag(self.name) not in tags:
            raise HubError(f"{self.model} has no experiment {self.name}: `gapura experiments list` shows them")
        before = read_experiments(self.model, tags).find(self.name)
        self.registry.write_model_tags(self.model, dict.fromkeys(keys_of(tags, self.name)))
        self._record("stopped", describe_weights(before.weights) if before else "", "")

    def read(self) -> tuple[Wanted, Mapping[str, str]]:
        """Returns the experiment, and the tags of its model; `default` may have no arms yet.

        Raises:
            HubError: There is none, or it is broken.
        """
        tags = self.registry.read_model_tags(self.model)
        reading = read_experiments(self.model, tags)
        if self.name in reading.faults:
            raise HubError(f"the experiment {self.name} of {self.model} is broken: {reading.faults[self.name]}")
        found = reading.find(self.name)
        if found is None:
            found = Wanted(self.name, read_design(self.model, self.name, tags), {}, (), (), "")
        return found, tags

    def _write(self, tags: Mapping[str, str | None], design: Design) -> None:
        """Writes tags, and at last what was decided."""
        by, reason = cut(self.author.by, LONGEST_NAME), cut(self.author.reason, LONGEST_REASON)
        decided = design.model_copy(
            update={
                "arms": tuple(served(design.arms)),
                "changed": Decision(by=by, reason=reason),
                "override": self.override,
                "revision": secrets.token_hex(8),
            }
        )
        self.registry.write_model_tags(self.model, {**tags, experiment_tag(self.name): decided.to_tag()})

    def _record(self, change: str, before: str, after: str) -> None:
        details = {"experiment": self.name, "change": change, "before": before, "after": after}
        details |= {"override": self.override} if self.override else {}
        author = self.author
        self.registry.history.append(
            Change(self.model, EXPERIMENT, by=author.by, reason=author.reason, details=details)
        )
