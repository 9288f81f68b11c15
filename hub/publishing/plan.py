"""Decides what publishing has to do, from what the registry wants and what is live. No I/O."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from erpml.catalog.v1 import catalog_pb2

from hub.catalog import compose_model, find_model
from hub.champion import Champion
from hub.errors import ModelRefusedError
from hub.placement import VARIABLES, Placement, parse_placement, placement_of
from hub.policy import Policy, parse_policy

_FOLDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")

Holds = Callable[[str, catalog_pb2.Version], bool]


@dataclass(frozen=True, slots=True)
class Keep:
    """Live as it should be."""

    champion: Champion


@dataclass(frozen=True, slots=True)
class Convert:
    """A version has to be fetched, converted, proven and put live.

    `displaces` says that another model is live under the same number, as after a new registry took over: the model has
    to leave the catalog before the files may change.
    """

    champion: Champion
    policy: Policy
    placement: Placement
    displaces: bool


@dataclass(frozen=True, slots=True)
class Describe:
    """The version is live; its policy, its team or its placement changed, and no node has to load anything."""

    champion: Champion
    policy: Policy
    placement: Placement


@dataclass(frozen=True, slots=True)
class Move:
    """The version is live, on nodes of another kind than it should be."""

    champion: Champion
    policy: Policy
    placement: Placement


@dataclass(frozen=True, slots=True)
class Refuse:
    """The champion cannot go live, whatever its artifacts are."""

    champion: Champion
    reason: str


@dataclass(frozen=True, slots=True)
class Withdraw:
    """No alias points at a version any more."""

    name: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Live, but the registry has never heard of it: more likely another registry than a wish."""

    name: str


Step: TypeAlias = Keep | Convert | Describe | Move | Refuse | Withdraw | Hold


def plan_steps(
    champions: Mapping[str, Champion | None], live: catalog_pb2.Catalog, holds: Holds, pools: Collection[Placement]
) -> list[Step]:
    """Returns one step per model that is registered or live, ordered by name.

    Args:
        champions: Every registered model and its champion.
        live: The current catalog.
        holds: Whether a version of a model is intact on disk.
        pools: Placements that have nodes; none where gateways run the models themselves.
    """
    names = sorted(champions.keys() | {model.name for model in live.models})
    steps = (_plan_model(name, champions, find_model(live, name), holds, pools) for name in names)
    return [step for step in steps if step]


def same_source(champion: Champion, version: catalog_pb2.Version) -> bool:
    """Whether the version was made from the champion's artifacts."""
    return version.source.rpartition("@sha256:")[0] == champion.source


def _plan_model(
    name: str,
    champions: Mapping[str, Champion | None],
    live: catalog_pb2.Model | None,
    holds: Holds,
    pools: Collection[Placement],
) -> Step | None:
    if name not in champions:
        return Hold(name)
    champion = champions[name]
    if champion is None:
        return Withdraw(name) if live else None
    try:
        policy, placement = _read_tags(champion, pools)
    except ModelRefusedError as error:
        return Refuse(champion, str(error))
    version = next((each for each in live.versions if each.number == champion.version), None) if live else None
    intact = version is not None and holds(name, version)
    if live is None or version is None or not intact or not same_source(champion, version):
        return Convert(champion, policy, placement, displaces=intact)
    if live == compose_model(name, champion.team, version, policy, placement):
        return Keep(champion)
    moves = bool(pools) and placement != placement_of(live)
    return (Move if moves else Describe)(champion, policy, placement)


def _read_tags(champion: Champion, pools: Collection[Placement]) -> tuple[Policy, Placement]:
    if not _FOLDER_NAME.fullmatch(champion.name):
        raise ModelRefusedError(
            "the name must be up to 200 letters, digits, '_', '-' and '.': rename the registered model"
        )
    policy, placement = parse_policy(champion.tags), parse_placement(champion.tags)
    if pools and placement not in pools:
        raise ModelRefusedError(f"there are no nodes of its placement: name some in {VARIABLES[placement]}")
    return policy, placement
