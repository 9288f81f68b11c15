"""Takes a model from what is live to what shall be: files, nodes, catalog, in an order that is safe to kill.

    files · configuration of old and new · load and try out on every node · catalog · wait for gateways to follow ·
    configuration of the new alone · load, so that the old goes · removal of files

Whatever a killed publisher left behind, `settle` brings files and nodes back to what the catalog says.
"""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from erpml.catalog.v1 import catalog_pb2

from hub.catalog import find_model, read_catalog, replace_model, write_catalog
from hub.errors import ModelRefusedError
from hub.nodes.node import Node
from hub.publishing.handover import NodeStep, Versions, plan_handover, plan_node, wanted_on
from hub.publishing.roster import Roster
from hub.publishing.smoke import Probe, try_out
from hub.repository import Repository

_NANOSECONDS = 1e9
_GAP = "its tensors differ from the old version's and {} is the only node that answers: calls failed for a moment"


@dataclass(frozen=True, slots=True)
class Files:
    """What a new version brings."""

    graph: bytes
    proof: bytes


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


@dataclass(slots=True)
class Rollout:
    """One run over what is served.

    Attributes:
        repository: The files, which this run has locked.
        catalog: The catalog's file.
        roster: The nodes.
        registered: Names of all registered models: others that a node serves are none of our business.
        handover_seconds: Time that gateways get to follow the catalog.
        pause: Waits a number of seconds.
    """

    repository: Repository
    catalog: Path
    roster: Roster
    registered: Collection[str]
    handover_seconds: float
    pause: Callable[[float], None] = time.sleep

    def settle(self) -> dict[str, Report]:
        """Brings files and nodes in line with the catalog; returns what the nodes made of it, by model."""
        catalog = read_catalog(self.catalog)
        surveyed = [(node, self._plan(node, catalog, ready)) for node, ready in self.roster.survey()]
        if any(step.drops for _, steps in surveyed for step in steps):
            self._wait_for_gateways(catalog)
        self.repository.configure(catalog)
        reports: dict[str, Report] = {}
        for node, steps in surveyed:
            for step in steps:
                self._carry_out(node, step, reports.setdefault(step.model, Report()))
        self.repository.clear(catalog)
        return reports

    def put_live(self, model: catalog_pb2.Model, probe: Probe, files: Files | None) -> Report:
        """Makes a model live; on refusal everything is as it was.

        Args:
            model: What the catalog shall say.
            probe: Tries its version out.
            files: The version's files; None where they lie there.

        Raises:
            ModelRefusedError: No node answers, or one refuses the version or answers otherwise than the graph.
        """
        pool = self.roster.pool(model.placement)
        handover = plan_handover(model, find_model(read_catalog(self.catalog), model.name), len(pool))
        if files is None:
            self.repository.describe(handover.described)
        else:
            self.repository.install(handover.described, model.versions[0].number, files.graph, files.proof)
        try:
            loaded = self._load_first(pool[: handover.first], model, probe)
        except ModelRefusedError:
            self._put_back(pool[: handover.first], model.name)
            raise
        report = self.commit(model.name, model)
        rest = [node for node in pool[handover.first :] if node.address in report.loaded]
        self._try_out_rest(rest, model, probe, report)
        report.loaded[:0] = loaded
        report.notes += [_GAP.format(loaded[0])] if handover.gap else []
        report.notes += self.roster.absences(model.placement)
        return report

    def commit(self, name: str, model: catalog_pb2.Model | None) -> Report:
        """Publishes the next snapshot, then takes away what it no longer names."""
        write_catalog(self.catalog, replace_model(read_catalog(self.catalog), name, model))
        return self.settle().get(name, Report())

    def _load_first(self, nodes: Sequence[Node], model: catalog_pb2.Model, probe: Probe) -> list[str]:
        """Loads and tries out a version while the catalog says nothing of it; returns the nodes that serve it."""
        loaded: list[str] = []
        for node in nodes:
            with self.roster.noting(node):
                node.load(model.name)
                try_out(node, model, probe)
                loaded.append(node.address)
        if nodes and not loaded:
            raise ModelRefusedError("the nodes that were to load it first do not answer any more: publish again")
        return loaded

    def _try_out_rest(self, nodes: Sequence[Node], model: catalog_pb2.Model, probe: Probe, report: Report) -> None:
        """Tries out a version on nodes that load it only now that it is live; what they say is told."""
        for node in nodes:
            with self.roster.noting(node):
                try:
                    try_out(node, model, probe)
                except ModelRefusedError as error:
                    report.refusals.append(str(error))

    def _put_back(self, nodes: Sequence[Node], name: str) -> None:
        """Makes nodes forget what they may have tried to load, whether or not it is ready there."""
        catalog = read_catalog(self.catalog)
        self.repository.configure(catalog)
        for node in nodes:
            wanted = self._wanted(node, catalog).get(name, frozenset())
            self._carry_out(node, NodeStep(name, wanted, frozenset()), Report())
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

    def _plan(self, node: Node, catalog: catalog_pb2.Catalog, ready: Versions) -> list[NodeStep]:
        return plan_node(self._wanted(node, catalog), ready, self.registered)

    def _wanted(self, node: Node, catalog: catalog_pb2.Catalog) -> Versions:
        fleet = self.roster.fleet
        return wanted_on(catalog, [each for each in fleet.placements() if node in fleet.pool(each)])

    def _wait_for_gateways(self, catalog: catalog_pb2.Catalog) -> None:
        """Waits until the catalog is old enough for every gateway to have followed it."""
        age = (time.time_ns() - catalog.created_at.ToNanoseconds()) / _NANOSECONDS
        left = min(self.handover_seconds - age, self.handover_seconds)
        if left > 0:
            self.pause(left)
