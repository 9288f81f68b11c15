"""Publishes from settings and says what happened, a line per model."""

from collections.abc import Callable

from hub.publisher import Outcome, Publisher, Result
from hub.registry import ModelRegistry
from hub.repository import Repository
from hub.settings import HubSettings


def publish_all(settings: HubSettings, say: Callable[[str], None]) -> bool:
    """Brings what is served in line with the registry; returns whether no model was refused.

    Raises:
        HubError: Another publisher is at work, or the registry or the catalog cannot be read.
    """
    registry = ModelRegistry(settings.registry_uri)
    publisher = Publisher(registry, Repository(settings.repository), settings.catalog)
    outcomes = publisher.publish(lambda outcome: _tell(outcome, say))
    if not outcomes:
        say("nothing to do: no registered model has the alias champion")
    elif all(outcome.result is Result.UNCHANGED for outcome in outcomes):
        say(f"nothing to do: {len(outcomes)} live")
    return all(outcome.result is not Result.REFUSED for outcome in outcomes)


def _tell(outcome: Outcome, say: Callable[[str], None]) -> None:
    if outcome.result is not Result.UNCHANGED:
        version = f" version {outcome.version}" if outcome.version else ""
        say(f"{outcome.name}{version} {outcome.result.value}: {outcome.detail}")
