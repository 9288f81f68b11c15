"""Publishes from settings and says what happened, a line per model."""

from collections.abc import Callable

from hub.nodes.fleet import open_fleet
from hub.publishing.outcome import Outcome, Result
from hub.publishing.publisher import Publisher
from hub.registry import ModelRegistry
from hub.repository import Repository
from hub.settings import HubSettings


def publish_all(settings: HubSettings, say: Callable[[str], None]) -> bool:
    """Brings what is served in line with the registry; returns whether every model is as it should be.

    Raises:
        HubError: Another publisher is at work, or the registry or the catalog cannot be read.
    """
    registry, repository = ModelRegistry(settings.registry_uri), Repository(settings.repository)
    with open_fleet(settings.nodes, settings.gpu_nodes) as fleet:
        publisher = Publisher(registry, repository, settings.catalog, fleet, settings.handover_seconds)
        outcomes = publisher.publish(lambda outcome: _tell(outcome, say))
    if not outcomes:
        say("nothing to do: no registered model has the alias champion")
    elif all(outcome.result is Result.UNCHANGED for outcome in outcomes):
        say(f"nothing to do: {len(outcomes)} live")
    return not any(outcome.result in {Result.REFUSED, Result.INCOMPLETE} for outcome in outcomes)


def _tell(outcome: Outcome, say: Callable[[str], None]) -> None:
    if outcome.detail:
        version = f" version {outcome.version}" if outcome.version else ""
        say(f"{outcome.name}{version} {outcome.result.value}: {outcome.detail}")
