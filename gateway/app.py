"""Builds the gateway from its settings, in the order of the request path, and runs it."""

import asyncio
from collections.abc import Callable, Mapping

import structlog

from gateway.backends.onnx.backend import OnnxBackend
from gateway.backends.triton.backend import TritonBackend
from gateway.backends.triton.discovery import Discovery
from gateway.batching.admission import LaneLimits
from gateway.batching.lanes import Lanes
from gateway.catalog_watch import CatalogWatch
from gateway.chronicle import Chronicle
from gateway.drafts import health_name
from gateway.edge.feature_store.service import SERVICE as FEATURE_STORE
from gateway.edge.kserve.service import SERVICE as KSERVE
from gateway.edge.reflection import ALWAYS, FEATURE_STORE_FILE, KSERVE_FILE
from gateway.experiments import Halted
from gateway.front import MIB, Front, chosen, features_of, watch_of
from gateway.generations import Generations, tell
from gateway.guard.off import NoSentry
from gateway.guard.sentry import Sentry
from gateway.guard.verdicts import Verdicts
from gateway.interfaces import Backend
from gateway.process import run
from gateway.routing.absences import Absences
from gateway.settings import Settings
from gateway.shadows.mirror import Mirror
from gateway.shadows.off import NoMirror
from gateway.types import Placement

log = structlog.get_logger(__name__)

BACKENDS: Mapping[str, Callable[[Settings], Backend]] = {
    "onnx": lambda settings: OnnxBackend(settings.repository, settings.threads),
    "triton": lambda settings: TritonBackend(
        {Placement.CPU: Discovery(settings.nodes), Placement.GPU: Discovery(settings.gpu_nodes)}
    ),
}


class Gateway:
    """A running gateway.

    Args:
        settings: What the operator chose.

    Raises:
        ConfigurationError: A setting names something that does not exist.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        limits = LaneLimits(settings.slots, settings.queue_rows, settings.queue_mib * MIB, settings.queue_seconds)
        backend = chosen(BACKENDS, "backend", settings.backend)(settings)
        self.lanes = Lanes(backend, limits)
        self._watch = CatalogWatch(settings, settings.contracts)
        self._features = features_of(settings)
        observer = watch_of(settings, "gateway", self._serves)
        counted = observer.instruments
        self._mirror = NoMirror() if counted is None else Mirror(backend, self.lanes.utilisation, counted)
        self._generations = Generations(
            self._watch.catalogs,
            settings.contracts,
            self.lanes,
            self._features,
            observer.telemetry,
            observer.trials,
            self._mirror,
        )
        self._verdicts = Verdicts(settings.verdicts)
        self._sentry = sentry_of(settings, self._verdicts)
        files = (*ALWAYS, KSERVE_FILE, FEATURE_STORE_FILE)
        self._front = Front(settings, self._generations.table, files, observer)
        self._chronicle = Chronicle()
        self._absences = Absences()
        observer.parts |= {
            "catalog": self._chronicle.describe,
            "features": self._features.describe,
            "lanes": self.lanes.describe,
            "nodes": self.lanes.describe_nodes,
            "trials": self._sentry.describe,
            "shadows": self._mirror.describe,
        }

    async def start(self) -> str:
        """Takes the catalog live and listens; returns the bound address.

        Raises:
            ConfigurationError: The tenants file, an existing catalog or the address cannot be used.
        """
        front = self._front
        front.keep(self._features.run())
        await front.open()
        front.keep(self._verdicts.follow(self._halt))
        if await self._watch.start(front.keep):
            await self._advance()
        else:
            await self._swap()
        address = await front.listen()
        front.keep(self._watch.follow(self._advance, self._generations.unsettled))
        front.keep(self._watch_models())
        front.keep(self._sentry.run())
        return address

    async def stop(self) -> None:
        """Sends new calls elsewhere and lets those under way finish."""
        await self._front.close()
        await self._mirror.close()
        await self._features.close()
        await self.lanes.close()

    def _serves(self, path: str) -> bool:
        return self._front.serves(path)

    async def _watch_models(self) -> None:
        while True:
            await asyncio.sleep(self._settings.watch_seconds)
            try:
                self._absences.tell(self._generations.routes.unready())
                await self._report_health()
            except Exception:
                log.exception("health stays as it was")

    async def _advance(self) -> None:
        previous = self._generations.live
        if await self._generations.advance():
            tell(self._generations.live)
            await self._swap()
            self._front.keep(self._generations.release(previous))
        await self._watch.catalogs.keep()

    def _halt(self, halted: frozenset[Halted]) -> None:
        self._generations.halt(halted)
        self._front.renew()

    async def _swap(self) -> None:
        live = self._generations.live
        self._chronicle.take(live.snapshot)
        self._sentry.tell(live.snapshot.models)
        self._features.follow(live.snapshot.views.values())
        self._front.renew()
        methods = ((method.path, method.serving.model) for method in live.contracts.methods)
        self._front.reflection.report(live.contracts.pool, methods)
        await self._report_health()

    async def _report_health(self) -> None:
        live = self._generations.live
        names = dict.fromkeys(("", KSERVE, FEATURE_STORE), bool(live.snapshot.generation))
        models = {name: self.lanes.ready(model.champion.version) for name, model in live.snapshot.models.items()}
        versions = {health_name(version): self.lanes.ready(version) for version in live.snapshot.versions()}
        missing = dict.fromkeys(live.missing, False)
        await self._front.health.report(names | live.services(), models | versions | missing)


def sentry_of(settings: Settings, verdicts: Verdicts) -> Sentry | NoSentry:
    """Returns what has experiments watched, if calls are counted."""
    if not settings.telemetry_enabled:
        return NoSentry()
    return Sentry(settings.telemetry, settings.verdicts, verdicts, settings.redis, settings.catalog_key)


async def serve(settings: Settings) -> None:
    """Runs a gateway until SIGTERM, SIGINT or SIGHUP; a second signal ends it at once.

    Raises:
        ConfigurationError: It cannot start.
    """
    await run(Gateway(settings), settings.drain_seconds)
