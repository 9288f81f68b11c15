"""Says in the registry what became of experiments: tags on the model for its owner, and changes in the history."""

from collections.abc import Mapping
from dataclasses import dataclass

from erpml.catalog.v1 import catalog_pb2

from hub.errors import NotRegisteredError
from hub.experiments.buckets import format_slices
from hub.experiments.messages import read_slices
from hub.experiments.reading import Reading
from hub.experiments.tags import BUCKETS, FAULT, GUARDRAIL, LONGEST, guardrail_tag, read_guardrails
from hub.history import Change
from hub.history.change import EXPERIMENT
from hub.registry import ModelRegistry
from hub.registry.records import RegisteredModel

_LONGEST_REASON = 1000

_Tags = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class ExperimentRecord:
    """Writes what differs from what is written there.

    Attributes:
        registry: Where it is written.
        by: Who publishes.
    """

    registry: ModelRegistry
    by: str

    def note_division(self, name: str, experiment: str, change: str, words: str) -> None:
        """Notes that an experiment, or something of it, is `live` or `withdrawn`."""
        self._append(name, experiment, change, words)

    def note_state(
        self, model: RegisteredModel, live: catalog_pb2.Model, reading: Reading, held: Mapping[str, str]
    ) -> None:
        """Brings tags in line: who has which buckets, what is wrong, and which arms have a share again.

        Args:
            model: What the registry says.
            live: What the catalog says.
            reading: What tags mean.
            held: Why experiments wait, by name.
        """
        tags = {**_allocations(live), **_faults(model, {**reading.faults, **held}), **_overcome(model, reading)}
        changed = {key: value for key, value in tags.items() if model.tags.get(key) != value}
        if not changed:
            return
        try:
            self.registry.write_model_tags(model.name, changed)
        except NotRegisteredError:
            return
        for experiment, reason in reading.faults.items():
            if f"{FAULT}{experiment}" in changed:
                self._append(model.name, experiment, "refused", "", reason[:_LONGEST_REASON])

    def _append(self, name: str, experiment: str, change: str, after: str, reason: str = "") -> None:
        details = {"experiment": experiment, "change": change, "after": after}
        self.registry.history.append(Change(name, EXPERIMENT, by=self.by, reason=reason, details=details))


def _allocations(live: catalog_pb2.Model) -> _Tags:
    """Who has which buckets of what is live; what is not stays as it is written."""
    written = {f"{BUCKETS}{each.name}": format_slices(read_slices(each)) for each in live.experiments}
    return {key: text if len(text) <= LONGEST else None for key, text in written.items()}


def _faults(model: RegisteredModel, faults: Mapping[str, str]) -> _Tags:
    gone: dict[str, str | None] = {key: None for key in model.tags if key.startswith(FAULT)}
    return gone | {f"{FAULT}{experiment}": reason[:_LONGEST_REASON] for experiment, reason in faults.items()}


def _overcome(model: RegisteredModel, reading: Reading) -> _Tags:
    """Why arms had lost the share that a person has given them again."""
    if not any(key.startswith(GUARDRAIL) for key in model.tags):
        return {}
    return {
        guardrail_tag(wanted.name, arm): None
        for wanted in reading.wanted
        for arm in read_guardrails(model.tags, wanted.name)
        if wanted.weights.get(arm)
    }
