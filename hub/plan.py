"""Decides what publishing has to do, from what the registry wants and what is live. No I/O."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from erpml.catalog.v1 import catalog_pb2

from hub.catalog import compose_model, find_model
from hub.champion import Champion
from hub.errors import ModelRefusedError
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
    displaces: bool


@dataclass(frozen=True, slots=True)
class Describe:
    """The version is live; its policy or its team changed."""

    champion: Champion
    policy: Policy


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


Step: TypeAlias = Keep | Convert | Describe | Refuse | Withdraw | Hold


def plan_steps(champions: Mapping[str, Champion | None], live: catalog_pb2.Catalog, holds: Holds) -> list[Step]:
    """Returns one step per model that is registered or live, ordered by name.

    Args:
        champions: Every registered model and its champion.
        live: The current catalog.
        holds: Whether a version of a model is intact on disk.
    """
    names = sorted(champions.keys() | {model.name for model in live.models})
    steps = (_plan_model(name, champions, find_model(live, name), holds) for name in names)
    return [step for step in steps if step]


def same_source(champion: Champion, version: catalog_pb2.Version) -> bool:
    """Whether the version was made from the champion's artifacts."""
    return version.source.rpartition("@sha256:")[0] == champion.source


def _plan_model(
    name: str, champions: Mapping[str, Champion | None], live: catalog_pb2.Model | None, holds: Holds
) -> Step | None:
    if name not in champions:
        return Hold(name)
    champion = champions[name]
    if champion is None:
        return Withdraw(name) if live else None
    if not _FOLDER_NAME.fullmatch(name):
        return Refuse(
            champion, "the name must be up to 200 letters, digits, '_', '-' and '.': rename the registered model"
        )
    try:
        policy = parse_policy(champion.tags)
    except ModelRefusedError as error:
        return Refuse(champion, str(error))
    return _plan_champion(champion, policy, live, holds)


def _plan_champion(champion: Champion, policy: Policy, live: catalog_pb2.Model | None, holds: Holds) -> Step:
    version = next((each for each in live.versions if each.number == champion.version), None) if live else None
    if version is None:
        return Convert(champion, policy, displaces=False)
    intact = holds(champion.name, version)
    if not same_source(champion, version):
        return Convert(champion, policy, displaces=intact)
    if not intact:
        return Convert(champion, policy, displaces=False)
    if live == compose_model(champion.name, champion.team, version, policy):
        return Keep(champion)
    return Describe(champion, policy)
