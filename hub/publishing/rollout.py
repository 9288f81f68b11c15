"""Takes a model from what is live to what shall be: files, nodes, catalog, in an order that is safe to kill.

    files · configuration of old and new · load and try out on every node · catalog

What has left the catalog stays where it is until gateways had the time to follow; then `settle` takes it away. Whatever
a killed publisher left behind, `settle` brings files and nodes back to what the catalog says.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from erpml.catalog.v1 import catalog_pb2
from erpml.types.v1 import feature_view_pb2

from converters import Conversion, Golden
from hub.catalog import add_views, find_model, replace_model
from hub.errors import ModelRefusedError
from hub.live_catalog import LiveCatalog
from hub.nodes.node import Node
from hub.publishing.handover import (
    NodeStep,
    Retirements,
    Versions,
    conflicting,
    describe_models,
    pending_at,
    plan_handover,
    plan_node,
    seconds_left,
    tolerated_on,
    wanted_on,
)
from hub.publishing.roster import Roster, on_each
from hub.publishing.smoke import try_out
from hub.repository import Repository

_GAP = "its tensors differ from the old version's and {} is the only node that answers: calls failed for a moment"

Trials = Mapping[int, Golden]


@dataclass(slots=True)
class Report:
    """What happened to one model on the nodes.

    Attributes:
        loaded: Nodes that serve it now and did not before.
        refusals: What nodes said that answer and do not serve it.
        notes: What else there is to know.
    """

    loaded: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def parts(self) -> list[str]:
        """Returns it in words."""
        loaded = [f"loaded on {', '.join(self.loaded)}"] if self.loaded else []
        return [*loaded, *self.refusals, *self.notes]

    def add(self, other: "Report") -> None:
        """Takes in what else happened."""
        self.loaded += [address for address in other.loaded if address not in self.loaded]
        self.refusals += [words for words in other.refusals if words not in self.refusals]
        self.notes += [words for words in other.notes if words not in self.notes]


@dataclass(slots=True)
class Rollout:
    """One run over what is served.

    Attributes:
        repository: The files, which this run has locked.
        catalog: What is live.
        roster: The nodes.
        registered: Names of all registered models: others that a node serves are none of our business.
        handover_seconds: Time that gateways get to follow the catalog; they need none where there are no nodes, since
            they hold on to what they have loaded themselves.
        pause: Waits a number of seconds.
        views: Built-in feature views, which every catalog gets that has none of their names.
    """

    repository: Repository
    catalog: LiveCatalog
    roster: Roster
    registered: Collection[str]
    handover_seconds: float
    pause: Callable[[float], None] = time.sleep
    views: Sequence[feature_view_pb2.FeatureView] = ()
    _followed: list[catalog_pb2.Retirement] = field(default_factory=list)

    def settle(self) -> dict[str, Report]:
        """Brings files and nodes in line with the catalog; returns what the nodes made of it, by model."""
        catalog = self.catalog.read()
        pending = self._pending(catalog)
        surveyed = self.roster.survey()
        in_use = [each for each in conflicting(catalog, pending) if _serves(each, surveyed)]
        if in_use:
            self._await(in_use)
            pending = self._pending(catalog)
        described = describe_models(catalog, pending)
        self.repository.configure(described)
        reports: dict[str, Report] = {}
        for node, ready in surveyed:
            for step in self._plan(node, catalog, pending, ready):
                self._carry_out(node, step, reports.setdefault(step.model, Report()))
        self.repository.clear(_kept(catalog, pending), described)
        return reports

    def finish(self) -> dict[str, Report]:
        """Waits until gateways have followed, and takes away what the catalog no longer names."""
        self._await(self._pending(self.catalog.read()))
        return self.settle()

    def put_live(self, model: catalog_pb2.Model, conversions: Mapping[int, Conversion], trials: Trials) -> Report:
        """Makes a model live; on refusal everything is as it was.

        Args:
            model: What the catalog shall say.
            conversions: Versions whose files do not lie there yet.
            trials: Rows to try versions out with before they go live.

        Raises:
            ModelRefusedError: No node answers, or one refuses a version or answers otherwise than the model.
        """
        if not trials:
            self.commit(model.name, model)
            return Report()
        pool = self.roster.pool(model.placement)
        catalog = self.catalog.read()
        live = find_model(catalog, model.name)
        self._await([each for each in self._pending(catalog) if _in_the_way(each, model, live)])
        handover = plan_handover(model, live, self._pending(catalog), len(pool))
        for number, conversion in conversions.items():
            self.repository.install(handover.described, number, conversion)
        self.repository.describe(handover.described)
        first, rest = pool[: handover.first], pool[handover.first :]
        try:
            report = Report(loaded=self._load_first(first, model.name, trials))
        except ModelRefusedError:
            self._put_back(first, model.name)
            raise
        self.commit(model.name, model)
        if rest or handover.gap:
            report.add(self.settle().get(model.name, Report()))
            self._try_out_rest([node for node in rest if node.address in report.loaded], model.name, trials, report)
        report.notes += [_GAP.format(report.loaded[0])] if handover.gap else []
        report.notes += self.roster.absences(model.placement)
        return report

    def commit(self, name: str, model: catalog_pb2.Model | None) -> None:
        """Publishes the next snapshot; what it no longer names stays for a while."""
        catalog = self.catalog.read()
        following = replace_model(catalog, name, model, self._pending(catalog))
        add_views(following, self.views)
        self.catalog.write(following)

    def _load_first(self, nodes: Sequence[Node], name: str, trials: Trials) -> list[str]:
        """Loads and tries out versions while the catalog says nothing of them; returns the nodes that serve them.

        One node takes them before all others: a version that ends a server ends one, and the others serve on.
        """

        def take(node: Node) -> str | None:
            with self.roster.noting(node):
                node.load(name)
                for number, golden in trials.items():
                    try_out(node, name, number, golden)
                return node.address
            return None

        if not nodes:
            return []
        if take(nodes[0]) is None:
            raise ModelRefusedError(f"node {nodes[0].address} went down while it loaded it: see what that node says")
        return [nodes[0].address, *(address for address in on_each(nodes[1:], take) if address)]

    def _try_out_rest(self, nodes: Sequence[Node], name: str, trials: Trials, report: Report) -> None:
        """Tries out versions on nodes that load them only now that they are live; what they say is told."""
        for node in nodes:
            with self.roster.noting(node):
                try:
                    for number, golden in trials.items():
                        try_out(node, name, number, golden)
                except ModelRefusedError as error:
                    report.refusals.append(str(error))

    def _put_back(self, nodes: Sequence[Node], name: str) -> None:
        """Makes nodes forget what they may have tried to load, whether or not it is ready there."""
        catalog = self.catalog.read()
        self.repository.configure(describe_models(catalog, self._pending(catalog)))
        for node in nodes:
            wanted = self._wanted(node, catalog).get(name, frozenset())
            self._carry_out(node, NodeStep(name, wanted, lacks=False), Report())
        self.settle()

    def _carry_out(self, node: Node, step: NodeStep, report: Report) -> None:
        with self.roster.noting(node):
            try:
                if step.wanted:
                    node.load(step.model)
                else:
                    node.unload(step.model)
            except ModelRefusedError as error:
                report.refusals.append(str(error))
            else:
                report.loaded += [node.address] if step.lacks else []

    def _plan(self, node: Node, catalog: catalog_pb2.Catalog, pending: Retirements, ready: Versions) -> list[NodeStep]:
        tolerated = tolerated_on(pending, self.roster.placements_of(node))
        return plan_node(self._wanted(node, catalog), tolerated, ready, self.registered)

    def _wanted(self, node: Node, catalog: catalog_pb2.Catalog) -> Versions:
        return wanted_on(catalog, self.roster.placements_of(node))

    def _pending(self, catalog: catalog_pb2.Catalog) -> list[catalog_pb2.Retirement]:
        pending = pending_at(catalog, time.time_ns(), self._handover)
        return [each for each in pending if each not in self._followed]

    def _await(self, pending: Retirements) -> None:
        """Waits until gateways have followed."""
        left = seconds_left(pending, time.time_ns(), self._handover)
        if left > 0:
            self.pause(left)
        self._followed += pending

    @property
    def _handover(self) -> float:
        return self.handover_seconds if self.roster.fleet.nodes() else 0.0


def _in_the_way(retired: catalog_pb2.Retirement, model: catalog_pb2.Model, live: catalog_pb2.Model | None) -> bool:
    """Whether gateways may still call what a model's files or configuration would take away."""
    if retired.model != model.name:
        return False
    numbers = {version.number: version.sha256 for version in model.versions}
    replaced = numbers.get(retired.version.number, retired.version.sha256) != retired.version.sha256
    return replaced or (live is None and retired.version.signature != model.versions[0].signature)


def _serves(retired: catalog_pb2.Retirement, surveyed: Sequence[tuple[Node, Versions]]) -> bool:
    return any(retired.version.number in ready.get(retired.model, ()) for _, ready in surveyed)


def _kept(catalog: catalog_pb2.Catalog, pending: Retirements) -> dict[str, set[int]]:
    """Returns the versions whose files stay, by model."""
    kept = {model.name: {version.number for version in model.versions} for model in catalog.models}
    for each in pending:
        kept.setdefault(each.model, set()).add(each.version.number)
    return kept
