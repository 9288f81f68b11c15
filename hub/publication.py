"""Publishes from settings and says what happened, a line per version."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hub.contract_check import ContractCheck
from hub.conversions import ConversionCache, Workshop
from hub.experiments.verdicts import Source, VerdictFolder, VerdictHash
from hub.features.declared import declared_views
from hub.freeze import read_windows
from hub.live_catalog import LiveCatalog, open_catalog
from hub.nodes.fleet import open_fleet
from hub.publishing.outcome import Outcome, Result
from hub.publishing.preparation import Preparation
from hub.publishing.progress import Progress, Silent
from hub.publishing.publisher import Publisher
from hub.publishing.refusals import Refusals
from hub.registry import ModelRegistry
from hub.repository import Repository
from hub.settings import HubSettings

Say = Callable[[str], None]
_FAILURES = frozenset({Result.REFUSED, Result.INCOMPLETE})


@contextmanager
def open_publisher(  # noqa: PLR0913 - each but the first has a default, and is given by name
    settings: HubSettings,
    *,
    registry: ModelRegistry | None = None,
    catalog: LiveCatalog | None = None,
    repository: Repository | None = None,
    workshop: Workshop | None = None,
    override: str | None = None,
    refusals: Refusals | None = None,
    progress: Progress | None = None,
    lock_seconds: float = 30.0,
) -> Iterator[Publisher]:
    """Builds a publisher, connected to the nodes as their names resolve now; what is not given is made anew."""
    registry = registry or ModelRegistry(settings.registry_uri)
    own = Workshop(settings.convert_seconds, settings.convert_memory_mib)
    preparation = Preparation(registry, ConversionCache(settings.conversions), workshop or own)
    with own, open_fleet(settings.nodes, settings.gpu_nodes) as fleet:
        yield Publisher(
            preparation=preparation,
            repository=repository or Repository(settings.repository),
            catalog=catalog or open_catalog(settings),
            contracts=ContractCheck(settings.contracts),
            fleet=fleet,
            handover_seconds=settings.handover_seconds,
            windows=lambda: read_windows(settings.freeze),
            override=override,
            refusals=refusals or Refusals(),
            progress=progress or Silent(),
            views=[declaration.message() for declaration in declared_views()],
            verdicts=_verdict_sources(settings),
            lock_seconds=lock_seconds,
        )


def publish_all(
    settings: HubSettings,
    say: Say,
    *,
    override: str | None = None,
    progress: Progress | None = None,
    lock_seconds: float = 30.0,
) -> bool:
    """Brings what is served in line with the registry; returns whether every model is as it should be.

    Raises:
        HubError: Another publisher is at work, or the registry or the catalog cannot be read.
    """
    with open_publisher(settings, override=override, progress=progress, lock_seconds=lock_seconds) as publisher:
        outcomes = publisher.publish(lambda outcome: tell(outcome, say))
        if publisher.catalog.fault:
            say(f"{publisher.catalog.fault}; gateways that watch the file are not concerned")
    if not outcomes:
        say("nothing to do: no registered model has the alias champion")
    elif all(outcome.result is Result.UNCHANGED for outcome in outcomes):
        say(f"nothing to do: {len(outcomes)} live")
    return not any(outcome.result in _FAILURES for outcome in outcomes)


def publish_model(
    settings: HubSettings, name: str, *, registry: ModelRegistry, catalog: LiveCatalog, lock_seconds: float = 30.0
) -> list[Outcome]:
    """Brings what is served of one model in line with the registry; returns what became of it.

    Raises:
        BusyError: Another publisher is at work for longer than `lock_seconds`.
        HubError: The registry or the catalog cannot be read.
    """
    outcomes: list[Outcome] = []
    with open_publisher(settings, registry=registry, catalog=catalog, lock_seconds=lock_seconds) as publisher:
        publisher.publish(outcomes.append, wait=False, only=name)
    return outcomes


def _verdict_sources(settings: HubSettings) -> list[Source]:
    """Returns where verdicts come from."""
    folder, secret = VerdictFolder(settings.verdicts), settings.redis_url
    elsewhere = [VerdictHash(secret.get_secret_value(), f"{settings.catalog_key}:verdicts")] if secret else []
    return [folder, *elsewhere]


def tell(outcome: Outcome, say: Say) -> None:
    """Says what happened to a version or an experiment, where there is something to say."""
    if outcome.detail:
        version = f" version {outcome.version}" if outcome.version else ""
        experiment = f" experiment {outcome.experiment}" if outcome.experiment else ""
        say(f"{outcome.name}{version}{experiment} {outcome.result.value}: {outcome.detail}")
