"""Decides how nodes get from what they serve to what they shall serve. No I/O."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from erpml.catalog.v1 import catalog_pb2

from hub.placement import Placement, placement_of

Versions = Mapping[str, frozenset[int]]


@dataclass(frozen=True, slots=True)
class Handover:
    """How a version becomes ready while gateways still call what the catalog says.

    Attributes:
        described: What the model's configuration says meanwhile.
        first: How many nodes of the pool load it before the catalog moves; the others do afterwards.
        gap: Whether no node answers for the old version until the gateways have followed the catalog.
    """

    described: catalog_pb2.Model
    first: int
    gap: bool


def plan_handover(model: catalog_pb2.Model, live: catalog_pb2.Model | None, nodes: int) -> Handover:
    """Old and new are loaded side by side; where one configuration cannot describe both, node by node.

    Args:
        model: What the catalog is about to say.
        live: What it says now.
        nodes: How many nodes of the model's pool can be reached.
    """
    new = model.versions[0]
    if live is None:
        return Handover(model, nodes, gap=False)
    if all(version.signature == new.signature for version in live.versions):
        return Handover(_side_by_side(model, live), nodes, gap=False)
    if not nodes:  # gateways hold on to what they have loaded
        return Handover(live, 0, gap=False)
    if placement_of(live) != model.placement:  # the old nodes go on as they are
        return Handover(model, nodes, gap=False)
    return Handover(model, max(1, nodes // 2), gap=nodes == 1)


@dataclass(frozen=True, slots=True)
class NodeStep:
    """A model that one node has to load or to unload.

    Attributes:
        model: Its name.
        wanted: Versions that the node shall serve.
        ready: Versions that it serves.
    """

    model: str
    wanted: frozenset[int]
    ready: frozenset[int]

    @property
    def lacks(self) -> bool:
        """Whether a version is missing."""
        return bool(self.wanted - self.ready)

    @property
    def drops(self) -> bool:
        """Whether a version goes that somebody may still call."""
        return bool(self.ready - self.wanted)


def plan_node(wanted: Versions, ready: Versions, registered: Collection[str]) -> list[NodeStep]:
    """Returns what a node has to do, ordered by model; models that are neither live nor registered are not ours.

    Args:
        wanted: Versions that the node shall serve, by model.
        ready: Versions that it serves.
        registered: Names of all registered models.
    """
    ours = wanted.keys() | {name for name in ready if name in registered}
    nothing: frozenset[int] = frozenset()
    steps = (NodeStep(name, wanted.get(name, nothing), ready.get(name, nothing)) for name in sorted(ours))
    return [step for step in steps if step.lacks or step.drops]


def wanted_on(catalog: catalog_pb2.Catalog, placements: Collection[Placement]) -> Versions:
    """Returns what a node of these pools shall serve."""
    return {
        model.name: frozenset(version.number for version in model.versions)
        for model in catalog.models
        if placement_of(model) in placements
    }


def _side_by_side(model: catalog_pb2.Model, live: catalog_pb2.Model) -> catalog_pb2.Model:
    both = {version.number: version for version in [*live.versions, *model.versions]}
    return catalog_pb2.Model(
        name=model.name, versions=[both[number] for number in sorted(both)], placement=model.placement
    )
