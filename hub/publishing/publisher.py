"""Compares what the registry wants with what is live and does what is missing, one model at a time.

Safe to kill and to run again.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from erpml.types.v1 import feature_view_pb2

from hub.catalog import missing_views, replace_views
from hub.contract_check import ContractCheck
from hub.errors import HubError, ModelRefusedError
from hub.experiments.verdicts import Source
from hub.freeze import Window, active
from hub.identity import current_user
from hub.live_catalog import LiveCatalog
from hub.nodes.fleet import Fleet
from hub.publishing.experiment_record import ExperimentRecord
from hub.publishing.model_run import ModelRun
from hub.publishing.outcome import Outcome, Result
from hub.publishing.plan import name_of, plan_steps
from hub.publishing.preparation import Preparation
from hub.publishing.progress import Progress, Silent
from hub.publishing.record import Record
from hub.publishing.refusals import Refusals
from hub.publishing.rollout import Report, Rollout
from hub.publishing.roster import Roster
from hub.publishing.routing import Routing
from hub.publishing.urgency import Urgency
from hub.repository import Repository

Windows = Callable[[], tuple[Window, ...]]


def _no_windows() -> tuple[Window, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Publisher:
    """Level-triggered: actual state is the catalog, the files, and what each node has loaded.

    Attributes:
        preparation: Makes versions ready, from the registry that says what should be live.
        repository: Files of what is live.
        catalog: The catalog.
        contracts: Checks that typed methods fit what is about to go live; None leaves that to gateways.
        fleet: Nodes; without any, gateways run the models themselves.
        handover_seconds: Time that gateways get to follow a new catalog before nodes drop what it no longer names.
        windows: Reads the freeze windows.
        override: Why freeze windows do not count this time.
        refusals: What was refused before; a new memory tries everything.
        progress: Shows what is being done.
        pause: Waits a number of seconds.
        lock_seconds: How long it waits for another publisher to end.
        views: Built-in feature views, which every catalog gets that has none of their names.
        verdicts: Where verdicts on arms come from.
    """

    preparation: Preparation
    repository: Repository
    catalog: LiveCatalog
    contracts: ContractCheck | None = None
    fleet: Fleet = field(default_factory=Fleet)
    handover_seconds: float = 0.0
    windows: Windows = _no_windows
    override: str | None = None
    refusals: Refusals = field(default_factory=Refusals)
    progress: Progress = field(default_factory=Silent)
    pause: Callable[[float], None] = time.sleep
    lock_seconds: float = 30.0
    views: Sequence[feature_view_pb2.FeatureView] = ()
    verdicts: Sequence[Source] = ()

    def publish(
        self, report: Callable[[Outcome], None], *, wait: bool = True, only: str | None = None
    ) -> list[Outcome]:
        """Reports every version when it is done; returns all outcomes.

        Args:
            report: Takes outcomes.
            wait: Whether to stay until gateways have followed and nodes have dropped what nobody calls any more. The
                next publication drops it otherwise.
            only: The one model to look at; all where it is not said.

        Raises:
            HubError: Another publisher is at work, or the registry or the catalog cannot be read.
        """
        registry = self.preparation.registry
        outcomes: list[Outcome] = []

        def tell(outcome: Outcome) -> None:
            outcomes.append(outcome)
            report(outcome)

        with self.repository.lock(self.lock_seconds):
            models = registry.models()
            record = Record(registry, current_user())
            rollout = Rollout(
                self.repository,
                self.catalog,
                Roster(self.fleet),
                models,
                self.handover_seconds,
                self.pause,
                self.views,
            )
            routing = Routing(
                catalog=self.catalog,
                commit=rollout.commit,
                record=ExperimentRecord(registry, record.by),
                window=self._window,
                override=self.override,
                models=models,
                tell=tell,
            )
            urgency = Urgency(registry, routing, self.verdicts, only, tell)
            urgency.act()
            record.note_moves(models)
            run = ModelRun(
                preparation=self.preparation,
                contracts=self.contracts,
                catalog=self.catalog,
                rollout=rollout,
                record=record,
                refusals=self.refusals,
                progress=self.progress,
                window=self._window,
                override=self.override,
                settled=rollout.settle(),
                tell=tell,
                meanwhile=urgency.look_again,
            )
            steps = plan_steps(models, self.catalog.read(), self.repository.holds, self.fleet.placements())
            with self.progress.over(len(steps)):
                for step in steps:
                    if only is None or only == name_of(step):
                        run.act(step)
                        routing.settle(name_of(step))
                    self.progress.done()
            self._add_views(tell)
            if wait:
                _tell_stragglers(rollout.finish(), tell)
            self.catalog.announce(self.catalog.read())
        return outcomes

    def _add_views(self, tell: Callable[[Outcome], None]) -> None:
        """Adds the built-in feature views that the catalog lacks, unless methods would no longer be served."""
        catalog = self.catalog.read()
        for view in missing_views(catalog, self.views) if catalog.generation else ():
            following = replace_views(catalog, [view])
            try:
                if self.contracts is not None:
                    self.contracts.require_served(catalog, following)
            except ModelRefusedError as error:
                tell(Outcome(view.name, 0, Result.REFUSED, str(error)))
            else:
                self.catalog.write(following)
                catalog = following

    def _window(self, name: str) -> Window | None:
        """Returns the freeze window that a model is in.

        Raises:
            ModelRefusedError: Windows cannot be read.
        """
        try:
            windows = self.windows()
        except HubError as error:
            raise ModelRefusedError(f"nothing goes live while freeze windows cannot be read: {error}") from error
        return active(windows, name, datetime.now(UTC))


def _tell_stragglers(reports: dict[str, Report], tell: Callable[[Outcome], None]) -> None:
    """Says which nodes did not drop what has left the catalog."""
    for name, report in reports.items():
        if report.refusals:
            tell(Outcome(name, 0, Result.INCOMPLETE, "; ".join(report.refusals)))
