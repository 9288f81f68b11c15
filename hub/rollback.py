"""Goes back to the version that answered before: it is still loaded, so that only the catalog has to change."""

from collections.abc import Callable
from dataclasses import dataclass

from hub.catalog import find_arm, find_model
from hub.errors import HubError
from hub.history.change import LIVE
from hub.live_catalog import LiveCatalog, open_catalog
from hub.publication import publish_model, tell
from hub.publishing.outcome import Result
from hub.registry import ModelRegistry
from hub.registry.names import registered_name, split_name
from hub.registry.records import CHAMPION
from hub.settings import HubSettings


@dataclass(frozen=True, slots=True)
class Target:
    """What a rollback goes from and to.

    Attributes:
        live: Version that answers now.
        previous: Version that answered before.
    """

    live: int
    previous: int


def roll_back(settings: HubSettings, name: str, say: Callable[[str], None], *, by: str | None, reason: str) -> bool:
    """Moves the alias champion back, and publishes; returns whether the version before is live.

    Raises:
        HubError: The model is not live, or nothing was live before.
    """
    registered, (team, model), catalog = registered_name(name), split_name(name), open_catalog(settings)
    registry = ModelRegistry(settings.registry_uri)
    target = find_target(catalog, registry, registered)
    registry.deploy_model(team, model, target.previous, by=by, reason=reason or f"rollback of version {target.live}")
    for outcome in publish_model(settings, registered, registry=registry, catalog=catalog):
        tell(outcome, say)
        if outcome.result is Result.UNCHANGED and not outcome.detail:  # a hub that watches was quicker
            say(f"{registered} version {outcome.version} is live again")
    answering = find_arm(find_model(catalog.read(), registered), CHAMPION)
    return answering is not None and answering.number == target.previous


def find_target(catalog: LiveCatalog, registry: ModelRegistry, name: str) -> Target:
    """Returns what a rollback of a registered model means.

    Raises:
        HubError: It is not live, or nothing was live before.
    """
    model = find_model(catalog.read(), name)
    champion = find_arm(model, CHAMPION)
    if model is None or champion is None:
        raise HubError(f"{name} is not live: there is nothing to roll back")
    if model.previous_version:
        return Target(champion.number, model.previous_version)
    changes = registry.history.of(name)
    before = [change.version for change in changes if change.kind == LIVE and change.alias == CHAMPION]
    others = [number for number in before if number and number != champion.number]
    if not others:
        raise HubError(f"{name} version {champion.number} is the first that was live: there is nothing to go back to")
    return Target(champion.number, others[-1])
