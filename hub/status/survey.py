"""Collects what `gapura status` shows. What cannot be asked is said instead of hiding the rest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from erpml.catalog.v1 import catalog_pb2

from hub.catalog import read_catalog
from hub.errors import HubError
from hub.nodes.fleet import Fleet, open_fleet
from hub.publishing.handover import Versions, wanted_on
from hub.publishing.record import BY, REASON
from hub.publishing.roster import Roster
from hub.registry import ModelRegistry
from hub.registry.records import CHAMPION, RegisteredModel
from hub.registry.tags import STATUS
from hub.settings import HubSettings


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """One model.

    Attributes:
        name: Registered name.
        wanted: Version by alias, as the registry says; what is live where it cannot be asked.
        live: Version by alias, as gateways serve it.
        previous: Version that stays loaded for a rollback; 0 for none.
        nodes: By address, whether it serves all that it should; none where gateways run models themselves.
        parity: Proof of the champion.
        since: Since when the champion has been live, ISO 8601 in UTC; empty where nothing is live.
        by: Who made it champion.
        notes: Why something is not live.
    """

    name: str
    wanted: Mapping[str, int]
    live: Mapping[str, int]
    previous: int
    nodes: Mapping[str, bool]
    parity: str
    since: str
    by: str
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Survey:
    """All models, and what could not be asked."""

    models: list[ModelStatus]
    generation: int
    faults: list[str]


def survey_from(settings: HubSettings, names: Sequence[str]) -> Survey:
    """Looks at everything that settings name.

    Args:
        settings: Of the hub.
        names: Models to show, as `team3/credit_scoring` or by their registered names; all where there are none.

    Raises:
        HubError: The catalog cannot be read, or a name is that of no model.
    """
    registered: Mapping[str, RegisteredModel] | HubError
    try:
        registered = ModelRegistry(settings.registry_uri).models()
    except HubError as error:
        registered = error
    with open_fleet(settings.nodes, settings.gpu_nodes) as fleet:
        found = survey(read_catalog(settings.catalog), registered, fleet)
    if not names:
        return found
    wanted = [name.replace("/", "_", 1) for name in names]
    known = {model.name: model for model in found.models}
    missing = [name for name, key in zip(names, wanted, strict=True) if key not in known]
    if missing:
        raise HubError(f"{', '.join(missing)}: no such model is live, or has an alias")
    return replace(found, models=[known[key] for key in wanted])


def survey(catalog: catalog_pb2.Catalog, registered: Mapping[str, RegisteredModel] | HubError, fleet: Fleet) -> Survey:
    """Compares what is wanted, what is live, and what nodes serve.

    Args:
        catalog: What is live.
        registered: What the registry says, or why it says nothing.
        fleet: Nodes.
    """
    roster = Roster(fleet)
    ready = {node.address: (node, versions) for node, versions in roster.survey()}
    wanted = {node.address: wanted_on(catalog, roster.placements_of(node)) for node in fleet.nodes()}
    serving = {address: (wanted[address], ready[address][1] if address in ready else {}) for address in wanted}
    faults = [f"node {address} does not answer" for address in wanted if address not in ready]
    models: Mapping[str, RegisteredModel] = {}
    if isinstance(registered, HubError):
        faults.append(str(registered))
    else:
        models = registered
    live = {model.name: model for model in catalog.models}
    names = sorted(live.keys() | {name for name, model in models.items() if model.versions})
    return Survey(
        [_status(name, models.get(name), live.get(name), serving) for name in names], catalog.generation, faults
    )


def _status(
    name: str,
    model: RegisteredModel | None,
    live: catalog_pb2.Model | None,
    serving: Mapping[str, tuple[Versions, Versions]],
) -> ModelStatus:
    arms = {arm.name: arm.version for arm in live.arms} if live else {}
    versions = model.versions if model else {}
    wanted = {alias: version.number for alias, version in versions.items()} if model else arms
    champion = next((arm for arm in live.arms if arm.name == CHAMPION), None) if live else None
    tags = {version.number: version.tags for version in versions.values()}
    return ModelStatus(
        name=name,
        wanted=wanted,
        live=arms,
        previous=live.previous_version if live else 0,
        nodes={
            address: shall.get(name, frozenset()) <= does.get(name, frozenset())
            for address, (shall, does) in serving.items()
            if name in shall
        },
        parity=_parity(live, champion.version if champion else 0),
        since=champion.since.ToJsonString() if champion and champion.HasField("since") else "",
        by=tags.get(champion.version, {}).get(BY, "") if champion else "",
        notes=[
            _note(alias, version.number, version.tags) for alias, version in versions.items() if _waits(version.tags)
        ],
    )


def _waits(tags: Mapping[str, str]) -> bool:
    return bool(tags.get(REASON))


def _note(alias: str, number: int, tags: Mapping[str, str]) -> str:
    return f"{alias} version {number} {tags.get(STATUS, '')}: {tags[REASON]}"


def _parity(live: catalog_pb2.Model | None, number: int) -> str:
    version = next((each for each in live.versions if each.number == number), None) if live else None
    if version is None or not version.parity.rows:
        return ""
    return f"{version.parity.max_abs_diff:.0e} of {version.parity.tolerance:.0e}, {version.parity.rows:,} rows"
