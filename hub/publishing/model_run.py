"""Carries out what the plan says of one model: takes its arms live one after the other, or says why not."""

from collections.abc import Callable
from dataclasses import dataclass

from erpml.catalog.v1 import catalog_pb2

from converters import Conversion, ConversionError, Golden
from hub.catalog import find_arm, find_version, missing_views, without_times
from hub.composition import compose_model, differences, same_tensors
from hub.contract_check import ContractCheck
from hub.durability import explain
from hub.errors import HubError, ModelDelayedError, ModelRefusedError
from hub.experiments.routing import carry_over
from hub.freeze import Window
from hub.live_catalog import LiveCatalog
from hub.placement import placement_of
from hub.publishing.outcome import Outcome, Result
from hub.publishing.plan import (
    Change,
    Hold,
    Keep,
    Refuse,
    Step,
    Withdraw,
    displaced,
    loaded,
    loaded_arms,
    previous_of,
    promotions,
)
from hub.publishing.preparation import Preparation
from hub.publishing.progress import Progress
from hub.publishing.record import Record
from hub.publishing.refusals import Refusals
from hub.publishing.rollout import Report, Rollout
from hub.registry.records import CHAMPION, RegisteredModel, RegisteredVersion
from hub.registry.tags import OVERRIDE

_OTHER_TENSORS = (
    "its tensors differ from the champion's, and one model has one set of tensors: register it under a name of its own"
)


@dataclass(frozen=True, slots=True)
class ModelRun:
    """One look at everything.

    Attributes:
        preparation: Makes versions ready.
        contracts: Checks that typed methods fit; None leaves that to gateways.
        catalog: What is live.
        rollout: Takes models live.
        record: Where outcomes are written back.
        refusals: What was refused before.
        progress: Shows what is being done.
        window: Returns the freeze window that a model is in; raises ModelRefusedError where windows cannot be read.
        override: Why windows do not count.
        settled: What nodes had to do to be in line with the catalog as it was found, by model.
        tell: Takes outcomes.
        meanwhile: Does what cannot wait, while a version is converted.
    """

    preparation: Preparation
    contracts: ContractCheck | None
    catalog: LiveCatalog
    rollout: Rollout
    record: Record
    refusals: Refusals
    progress: Progress
    window: Callable[[str], Window | None]
    override: str | None
    settled: dict[str, Report]
    tell: Callable[[Outcome], None]
    meanwhile: Callable[[], None]

    def act(self, step: Step) -> None:
        """Carries out one step; a refused version leaves what is live alone."""
        match step:
            case Hold(name):
                self.tell(Outcome(name, 0, Result.HELD, "the registry does not know it; it stays live as it is"))
            case Withdraw(model):
                self._withdraw(model)
            case Refuse(model, version, reason):
                self._refuse(model, version, reason)
            case Keep(model):
                self._keep(model)
            case Change(model=model):
                before = self._catch_up(model)
                waiting = self._change(step)
                live = self._live(model.name)
                self.record.note_live(model, live, moved=live != before, waiting=waiting)

    def _keep(self, model: RegisteredModel) -> None:
        """Says what nodes had to do, and repairs what a killed publisher did not write."""
        self.record.note_live(model, self._live(model.name))
        report, version = self.settled.get(model.name, Report()), model.versions[CHAMPION]
        live = self._live(model.name)
        notes = self.rollout.roster.absences(live.placement) if live else []
        result = Result.INCOMPLETE if report.refusals else Result.LIVE if report.loaded else Result.UNCHANGED
        self.tell(Outcome(model.name, version.number, result, "; ".join([*report.parts(), *notes])))

    def _catch_up(self, model: RegisteredModel) -> catalog_pb2.Model | None:
        """Writes what a killed publisher did not, while the catalog still says it; returns what is live."""
        live = self._live(model.name)
        if live is not None and not displaced(live, model):
            self.record.note_live(model, live, waiting={version.number for version in model.versions.values()})
        return live

    def _withdraw(self, model: RegisteredModel) -> None:
        if self._catch_up(model) is not None:
            self.rollout.commit(model.name, None)
        self.record.note_live(model, None, moved=True)
        self.tell(Outcome(model.name, 0, Result.WITHDRAWN, "no version has the alias champion"))

    def _change(self, step: Change) -> set[int]:
        """Takes arms live, the champion first, and then brings the rest in line: arms that went, policy, team.

        Returns:
            Versions that are not, or not all that they should be, and say why.
        """
        waiting = set[int]()
        for alias in step.arms:
            if not self._arrives(step, alias):
                waiting.add(step.model.versions[alias].number)
        return waiting | self._describe(step)

    def _arrives(self, step: Change, alias: str) -> bool:
        """Makes the version of one alias live, unless it has to wait; returns whether it is."""
        version = step.model.versions[alias]
        if self.refusals.waits(step.model, alias):
            return False
        try:
            if self._holds_back(step.model, version):
                return False
            self._take_live(step, alias)
        except (ConversionError, ModelRefusedError) as error:
            self.refusals.note(step.model, alias, delayed=isinstance(error, ModelDelayedError))
            self._refuse(step.model, version, str(error))
        except OSError as error:
            self.refusals.note(step.model, alias, delayed=True)
            self._refuse(step.model, version, explain(error))
        except HubError:
            raise
        except Exception as error:  # noqa: BLE001 - a defect that shows with one model keeps no other from going live
            self.refusals.note(step.model, alias)
            self._refuse(step.model, version, f"{type(error).__name__}: {error}; report this")
        else:
            self.refusals.forget(step.model, alias)
            return True
        return False

    def _holds_back(self, model: RegisteredModel, version: RegisteredVersion) -> bool:
        """Holds a version back in a freeze window, unless somebody said why not."""
        window = self.window(model.name)
        if window is None or self.override or version.tags.get(OVERRIDE):
            return False
        reason = f'{window.words}; `gapura promote --override "reason"` does it all the same'
        self.record.note_hold(model, version, reason, self._live(model.name))
        self.tell(Outcome(model.name, version.number, Result.HELD, reason))
        return True

    def _take_live(self, step: Change, alias: str) -> None:
        """Makes the version of one alias live; the other arms stay as they are."""
        registered = step.model.versions[alias]
        number, conversions, proof = registered.number, dict[int, Conversion](), list[str]()
        version = loaded(self._live(step.model.name), registered, self.rollout.repository.holds)
        if version is None:
            prepared = self.preparation.prepare(
                registered, lambda words: self._stage(registered, words), self.meanwhile
            )
            version, conversions, proof = prepared.version, {number: prepared.conversion}, [prepared.proof]
        model = self._compose(step, {alias: version})
        if find_arm(model, alias) is None:
            raise ModelRefusedError(_OTHER_TENSORS)
        self._stage(registered, "checking contracts")
        self._require_fit(model)
        self._stage(registered, "loading")
        trials = self._trials(model, conversions)
        self._displace(registered, version, step)
        report = self.rollout.put_live(model, conversions, trials)
        result = Result.INCOMPLETE if report.refusals else Result.LIVE
        self.tell(Outcome(model.name, number, result, "; ".join([*_arm(alias), *proof, *report.parts()])))

    def _displace(self, registered: RegisteredVersion, version: catalog_pb2.Version, step: Change) -> None:
        """Takes away another model that is live under the same number, as after a new registry took over.

        It has to leave before the files may change; nothing leaves that could not come back.
        """
        found = find_version(self._live(registered.name), registered.number)
        if found is not None and found.sha256 != version.sha256:
            self.rollout.roster.pool(step.placement)
            self.rollout.commit(registered.name, None)
            self.record.note_live(step.model, None, moved=True)

    def _describe(self, step: Change) -> set[int]:
        """Brings everything in line that needs nothing loaded; returns versions that have to wait, and say why."""
        live = self._live(step.model.name)
        if live is None or find_arm(live, CHAMPION) is None:
            return set()
        arms = loaded_arms(live, step.model, self.rollout.repository.holds)
        champion, waiting = step.model.versions[CHAMPION], set[int]()
        try:
            for alias in promotions(live, arms):
                if self._holds_back(step.model, step.model.versions[alias]):
                    waiting.add(arms.pop(alias).number)
            model = self._compose(step, arms)
            if without_times(model) == without_times(live) or self._moves(live, model):
                return waiting
            self._require_fit(model)
        except ModelRefusedError as error:
            self._refuse(step.model, champion, str(error))
            return waiting | {champion.number}
        self.rollout.put_live(model, {}, {})
        answering = find_arm(model, CHAMPION)
        number = answering.number if answering else 0
        self.tell(Outcome(model.name, number, Result.LIVE, "; ".join(differences(live, model))))
        return waiting

    def _compose(self, step: Change, changed: dict[str, catalog_pb2.Version]) -> catalog_pb2.Model:
        """Returns the model as it is live, with some arms changed and without those that the registry lacks."""
        name, live, holds = step.model.name, self._live(step.model.name), self.rollout.repository.holds
        arms = {alias: find_arm(live, alias) for alias in step.model.versions}
        arms |= changed
        present = {alias: version for alias, version in arms.items() if version is not None}
        if CHAMPION not in present:
            raise ModelRefusedError("the model's champion is not live: an arm beside it waits for it")
        previous = previous_of(live, present[CHAMPION].number, holds)
        model = compose_model(
            name, step.model.team, present, policy=step.policy, placement=step.placement, previous=previous
        )
        carry_over(model, live)
        return model

    def _trials(self, model: catalog_pb2.Model, conversions: dict[int, Conversion]) -> dict[int, Golden]:
        """Returns golden rows of what nodes have to load: new versions, or all where other nodes shall serve them."""
        live, repository = self._live(model.name), self.rollout.repository
        moves = live is not None and self._moves(live, model)
        others = [version.number for version in model.versions if moves and version.number not in conversions]
        trials = {number: conversion.golden for number, conversion in conversions.items()}
        return trials | {number: repository.read(model.name, number).golden for number in others}

    def _moves(self, live: catalog_pb2.Model, model: catalog_pb2.Model) -> bool:
        """Whether other nodes have to load what is live."""
        return bool(self.rollout.roster.fleet.nodes()) and placement_of(live) != placement_of(model)

    def _require_fit(self, model: catalog_pb2.Model) -> None:
        """Checks contracts, unless what they depend on is as it is live: tensors and policy."""
        live = self._live(model.name)
        known = live is not None and dict(live.policy) == dict(model.policy)
        if self.contracts is not None and not (live and known and same_tensors(live.versions[0], model.versions[0])):
            views = self.catalog.read().feature_views
            self.contracts.require_fit(model, [*views, *missing_views(self.catalog.read(), self.rollout.views)])

    def _refuse(self, model: RegisteredModel, version: RegisteredVersion, reason: str) -> None:
        self.record.note_refusal(model, version, reason, self._live(model.name))
        self.tell(Outcome(model.name, version.number, Result.REFUSED, reason))

    def _live(self, name: str) -> catalog_pb2.Model | None:
        return self.catalog.find(name)

    def _stage(self, version: RegisteredVersion, words: str) -> None:
        self.progress.stage(version.name, version.number, words)


def _arm(alias: str) -> list[str]:
    return [] if alias == CHAMPION else [f"as {alias}"]
