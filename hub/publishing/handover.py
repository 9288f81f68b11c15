"""Decides how nodes get from what they serve to what they shall serve. No I/O."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from erpml.catalog.v1 import catalog_pb2

from hub.composition import same_tensors
from hub.placement import Placement, placement_of

Versions = Mapping[str, frozenset[int]]
Retirements = Sequence[catalog_pb2.Retirement]

_NANOSECONDS = 1e9
_NOTHING: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Handover:
    """How versions become ready while gateways still call what the catalog says.

    Attributes:
        described: What the model's configuration says meanwhile.
        first: How many nodes of the pool load it before the catalog moves; the others do afterwards.
        gap: Whether no node answers for the old version until the gateways have followed the catalog.
    """

    described: catalog_pb2.Model
    first: int
    gap: bool


def plan_handover(
    model: catalog_pb2.Model, live: catalog_pb2.Model | None, pending: Retirements, nodes: int
) -> Handover:
    """Old and new are loaded side by side; where one configuration cannot describe both, node by node.

    Args:
        model: What the catalog is about to say.
        live: What it says now.
        pending: Retirements that gateways may not have followed yet.
        nodes: How many nodes of the model's pool can be reached.
    """
    old = [*(live.versions if live else ()), *(each.version for each in pending if each.model == model.name)]
    if all(same_tensors(version, model.versions[0]) for version in old):
        return Handover(_joined(model, old), nodes, gap=False)
    if live is None or not nodes:  # gateways without nodes hold on to what they have loaded
        return Handover(model, nodes, gap=False)
    if placement_of(live) != model.placement:  # the old nodes go on as they are
        return Handover(model, nodes, gap=False)
    return Handover(model, max(1, nodes // 2), gap=nodes == 1)


def describe_models(catalog: catalog_pb2.Catalog, pending: Retirements) -> dict[str, catalog_pb2.Model]:
    """Returns what configurations say: what is live, and what gateways may still call."""
    return {model.name: _joined(model, _retired(model, pending)) for model in catalog.models}


def _retired(model: catalog_pb2.Model, pending: Retirements) -> list[catalog_pb2.Version]:
    versions = [each.version for each in pending if each.model == model.name]
    return [version for version in versions if same_tensors(version, model.versions[0])]


def _joined(model: catalog_pb2.Model, others: Iterable[catalog_pb2.Version]) -> catalog_pb2.Model:
    versions = {version.number: version for version in [*others, *model.versions]}
    return catalog_pb2.Model(
        name=model.name, versions=[versions[number] for number in sorted(versions)], placement=model.placement
    )


def pending_at(catalog: catalog_pb2.Catalog, now_ns: int, handover_seconds: float) -> list[catalog_pb2.Retirement]:
    """Returns the retirements that gateways may not have followed yet."""
    return [each for each in catalog.retirements if seconds_left([each], now_ns, handover_seconds) > 0]


def seconds_left(pending: Retirements, now_ns: int, handover_seconds: float) -> float:
    """Returns the time until gateways have followed all of these retirements; a clock may have been set back."""
    ages = [(now_ns - each.retired_at.ToNanoseconds()) / _NANOSECONDS for each in pending]
    return max((min(handover_seconds - age, handover_seconds) for age in ages), default=0.0)


def conflicting(catalog: catalog_pb2.Catalog, pending: Retirements) -> list[catalog_pb2.Retirement]:
    """Returns the retirements that no node can serve beside what is live of the same model."""
    live = {model.name: model for model in catalog.models}
    return [
        each
        for each in pending
        if each.model in live
        and live[each.model].placement == each.placement
        and not same_tensors(each.version, live[each.model].versions[0])
    ]


@dataclass(frozen=True, slots=True)
class NodeStep:
    """A model that one node has to load or to unload.

    Attributes:
        model: Its name.
        wanted: Versions that the node shall serve.
        lacks: Whether it does not serve all of them.
    """

    model: str
    wanted: frozenset[int]
    lacks: bool


def plan_node(wanted: Versions, tolerated: Versions, ready: Versions, registered: Collection[str]) -> list[NodeStep]:
    """Returns what a node has to do, ordered by model; models that are neither live nor registered are not ours.

    Args:
        wanted: Versions that the node shall serve, by model.
        tolerated: Versions that it may serve besides.
        ready: Versions that it serves.
        registered: Names of all registered models.
    """
    ours = wanted.keys() | {name for name in ready if name in registered}
    steps = []
    for name in sorted(ours):
        shall, does = wanted.get(name, _NOTHING), ready.get(name, _NOTHING)
        if not shall <= does or not does <= shall | tolerated.get(name, _NOTHING):
            steps.append(NodeStep(name, shall, lacks=not shall <= does))
    return steps


def wanted_on(catalog: catalog_pb2.Catalog, placements: Collection[Placement]) -> Versions:
    """Returns what a node of these pools shall serve."""
    return {
        model.name: frozenset(version.number for version in model.versions)
        for model in catalog.models
        if placement_of(model) in placements
    }


def tolerated_on(pending: Retirements, placements: Collection[Placement]) -> Versions:
    """Returns what a node of these pools may serve besides."""
    tolerated: dict[str, frozenset[int]] = {}
    for each in pending:
        if (each.placement or catalog_pb2.PLACEMENT_CPU) in placements:
            tolerated[each.model] = tolerated.get(each.model, _NOTHING) | {each.version.number}
    return tolerated
