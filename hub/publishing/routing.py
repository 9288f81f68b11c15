"""Brings how the calls of live models are divided in line with their tags: at once, since nothing has to be loaded."""

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field

from erpml.catalog.v1 import catalog_pb2

from hub.errors import ModelRefusedError
from hub.experiments.messages import find_experiment
from hub.experiments.reading import Reading, Wanted, read_experiments
from hub.experiments.routing import Routed, route
from hub.experiments.words import describe_change
from hub.freeze import Window
from hub.live_catalog import LiveCatalog
from hub.publishing.experiment_record import ExperimentRecord
from hub.publishing.outcome import Outcome, Result
from hub.registry.records import RegisteredModel


@dataclass(frozen=True, slots=True)
class Routing:
    """One look at the experiments of all models.

    Attributes:
        catalog: What is live.
        commit: Makes a model live in which nothing else has changed.
        record: Where outcomes are written back.
        window: Returns the freeze window that a model is in; raises ModelRefusedError where windows cannot be read.
        override: Why windows do not count.
        models: Every registered model by name, as it was read last.
        tell: Takes outcomes.
    """

    catalog: LiveCatalog
    commit: Callable[[str, catalog_pb2.Model], None]
    record: ExperimentRecord
    window: Callable[[str], Window | None]
    override: str | None
    models: MutableMapping[str, RegisteredModel]
    tell: Callable[[Outcome], None]
    _known: dict[str, tuple[catalog_pb2.Model, RegisteredModel, Reading, Routed]] = field(default_factory=dict)

    def advance(self, name: str) -> None:
        """Makes live what differs, and says so."""
        live = self.catalog.find(name)
        if live is not None and name in self.models:
            self._bring_live(live, self._route(live)[1])

    def settle(self, name: str) -> None:
        """Besides, says what is not as it should be, and writes it back to the registry."""
        live = self.catalog.find(name)
        if live is None or name not in self.models:
            return
        reading, routed = self._route(live)
        self._bring_live(live, routed)
        for result, reasons in (
            (Result.REFUSED, reading.faults),
            (Result.HELD, routed.held),
            (Result.LACKING, routed.lacking),
        ):
            for experiment, reason in reasons.items():
                self.tell(Outcome(name, 0, result, reason, experiment))
        self.record.note_state(self.models[name], routed.model, reading, routed.held)

    def _route(self, live: catalog_pb2.Model) -> tuple[Reading, Routed]:
        """Decides how calls are divided, once for the same catalog and the same tags."""
        model, known = self.models[live.name], self._known.get(live.name)
        if known is None or known[0] is not live or known[1] is not model:
            reading = read_experiments(live.name, model.tags)
            routed = route(live, reading, lambda wanted: self._hold(live.name, wanted))
            known = self._known[live.name] = (live, model, reading, routed)
        return known[2], known[3]

    def _hold(self, name: str, wanted: Wanted) -> str | None:
        """Returns why an experiment gets no more calls in a freeze window, unless somebody said why it must."""
        if self.override or wanted.design.override:
            return None
        try:
            window = self.window(name)
        except ModelRefusedError as error:
            return str(error)
        return f"{window.words}; `gapura experiments ramp --override TEXT` does it all the same" if window else None

    def _bring_live(self, live: catalog_pb2.Model, routed: Routed) -> None:
        if routed.model == live:
            return
        self.commit(live.name, routed.model)
        for experiment in sorted({each.name for model in (live, routed.model) for each in model.experiments}):
            before, after = (find_experiment(model, experiment) for model in (live, routed.model))
            if before != after:
                words = describe_change(before, after)
                result = Result.LIVE if after else Result.WITHDRAWN
                self.tell(Outcome(live.name, 0, result, words, experiment))
                self.record.note_division(live.name, experiment, result.value, words)
