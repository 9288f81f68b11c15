"""Decides what publishing has to do, from what the registry wants and what is live. No I/O."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from erpml.catalog.v1 import catalog_pb2

from hub.catalog import find_arm, find_version, without_times
from hub.composition import compose_model
from hub.errors import ModelRefusedError
from hub.experiments.routing import carry_over
from hub.placement import VARIABLES, Placement, parse_placement, placement_of
from hub.policy import Policy, parse_policy
from hub.registry.records import CHAMPION, RegisteredModel, RegisteredVersion

_FOLDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")

Holds = Callable[[str, catalog_pb2.Version], bool]


@dataclass(frozen=True, slots=True)
class Keep:
    """Live as it should be."""

    model: RegisteredModel


@dataclass(frozen=True, slots=True)
class Change:
    """Something about a model is not live as it should be.

    Attributes:
        model: What the registry says.
        policy: Its policy values.
        placement: Kind of node that shall serve it.
        arms: Aliases whose version is not loaded as it should be, the champion first; none where only the rest differs.
    """

    model: RegisteredModel
    policy: Policy
    placement: Placement
    arms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refuse:
    """A version cannot go live, whatever its artifacts are."""

    model: RegisteredModel
    version: RegisteredVersion
    reason: str


@dataclass(frozen=True, slots=True)
class Withdraw:
    """No alias points at a champion any more, and the model is live, or its versions say that it is."""

    model: RegisteredModel


@dataclass(frozen=True, slots=True)
class Hold:
    """Live, but the registry has never heard of it: more likely another registry than a wish."""

    name: str


Step: TypeAlias = Keep | Change | Refuse | Withdraw | Hold


def plan_steps(
    models: Mapping[str, RegisteredModel], live: catalog_pb2.Catalog, holds: Holds, pools: Collection[Placement]
) -> list[Step]:
    """Returns one step per model that is registered or live, ordered by name.

    Args:
        models: Every registered model.
        live: The current catalog.
        holds: Whether a version of a model is intact on disk.
        pools: Placements that have nodes; none where gateways run the models themselves.
    """
    known = {model.name: model for model in live.models}
    names = sorted(models.keys() | known.keys())
    steps = (_plan_model(name, models.get(name), known.get(name), holds, pools) for name in names)
    return [step for step in steps if step]


def name_of(step: Step) -> str:
    """Returns the model that a step is about."""
    return step.name if isinstance(step, Hold) else step.model.name


def loaded(live: catalog_pb2.Model | None, version: RegisteredVersion, holds: Holds) -> catalog_pb2.Version | None:
    """Returns what the catalog says of a registered version, where it lists it and its files are intact."""
    found = find_version(live, version.number)
    return found if found and same_source(version, found) and holds(version.name, found) else None


def loaded_arms(live: catalog_pb2.Model | None, model: RegisteredModel, holds: Holds) -> dict[str, catalog_pb2.Version]:
    """Returns what is loaded already of the versions that aliases point at, by alias."""
    found = {alias: loaded(live, version, holds) for alias, version in model.versions.items()}
    return {alias: version for alias, version in found.items() if version is not None}


def same_source(registered: RegisteredVersion, version: catalog_pb2.Version) -> bool:
    """Whether the version was made from the registered artifacts; earlier catalogs have their digest in it."""
    return version.source == registered.source or version.source.rpartition("@sha256:")[0] == registered.source


def previous_of(live: catalog_pb2.Model | None, champion: int, holds: Holds) -> catalog_pb2.Version | None:
    """Returns the version that a rollback of this champion would go back to, where it is intact."""
    if live is None:
        return None
    before = find_arm(live, CHAMPION)
    if before is not None and before.number == champion:
        before = find_version(live, live.previous_version)
    return before if before is not None and holds(live.name, before) else None


def displaced(live: catalog_pb2.Model, model: RegisteredModel) -> bool:
    """Whether another model is live under a number that the registry gave anew, as after a new registry took over."""
    found = [(version, find_version(live, version.number)) for version in model.versions.values()]
    return any(version is not None and not same_source(registered, version) for registered, version in found)


def promotions(live: catalog_pb2.Model, arms: Mapping[str, catalog_pb2.Version]) -> list[str]:
    """Returns the aliases that loaded versions newly come under, but for what answers or answered before.

    A challenger that becomes champion is a promotion, however long it has been loaded; a rollback is none.
    """
    known = {arm.name: arm.version for arm in live.arms}
    proven = {known.get(CHAMPION), live.previous_version}
    return [alias for alias, version in arms.items() if version.number not in {known.get(alias), *proven}]


def _plan_model(
    name: str,
    model: RegisteredModel | None,
    live: catalog_pb2.Model | None,
    holds: Holds,
    pools: Collection[Placement],
) -> Step | None:
    if model is None:
        return Hold(name)
    if CHAMPION not in model.versions:
        return _plan_without_champion(model, live)
    try:
        policy, placement = _read_tags(model, pools)
    except ModelRefusedError as error:
        return Refuse(model, model.versions[CHAMPION], str(error))
    present = loaded_arms(live, model, holds)
    moves = live is not None and bool(pools) and placement_of(live) != placement
    if moves or len(present) < len(model.versions):
        return Change(
            model, policy, placement, tuple(alias for alias in model.versions if moves or alias not in present)
        )
    previous = previous_of(live, model.versions[CHAMPION].number, holds)
    wanted = compose_model(name, model.team, present, policy=policy, placement=placement, previous=previous)
    carry_over(wanted, live)  # how calls are divided is decided elsewhere
    if live is not None and without_times(wanted) == without_times(live):
        return Keep(model)
    return Change(model, policy, placement, tuple(alias for alias in present if find_arm(wanted, alias) is None))


def _plan_without_champion(model: RegisteredModel, live: catalog_pb2.Model | None) -> Step | None:
    if live is not None or model.statuses:  # which a publisher that was killed left there
        return Withdraw(model)
    others = list(model.versions.values())
    return Refuse(model, others[0], "the model has no champion: set that alias as well") if others else None


def _read_tags(model: RegisteredModel, pools: Collection[Placement]) -> tuple[Policy, Placement]:
    if not _FOLDER_NAME.fullmatch(model.name):
        raise ModelRefusedError(
            "the name must be up to 200 letters, digits, '_', '-' and '.': rename the registered model"
        )
    policy, placement = parse_policy(model.tags), parse_placement(model.tags)
    if pools and placement not in pools:
        raise ModelRefusedError(f"there are no nodes of its placement: name some in {VARIABLES[placement]}")
    return policy, placement
