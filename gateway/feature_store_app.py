"""Builds a process that serves `erpml.hub.v1.FeatureStoreService` alone, and runs it."""

import asyncio

import structlog
from google.protobuf import descriptor_pool

from gateway.catalog.snapshot import Snapshot
from gateway.catalog_watch import CatalogWatch
from gateway.chronicle import Chronicle
from gateway.edge.endpoints import Table
from gateway.edge.feature_store.service import SERVICE, feature_endpoints
from gateway.edge.reflection import ALWAYS, FEATURE_STORE_FILE
from gateway.front import Front, features_of, watch_of
from gateway.generations import tell_faults
from gateway.interfaces import Admission
from gateway.process import run
from gateway.settings import Settings

log = structlog.get_logger(__name__)


class FeatureStoreServer:
    """A running feature store service.

    Args:
        settings: What the operator chose; `listen` is where it listens.

    Raises:
        ConfigurationError: A setting names something that does not exist.
    """

    def __init__(self, settings: Settings) -> None:
        self._watch = CatalogWatch(settings)
        self._snapshot = Snapshot()
        self._features = features_of(settings)
        observer = watch_of(settings, "feature-store", self._serves)
        self._front = Front(settings, self._table, (*ALWAYS, FEATURE_STORE_FILE), observer)
        self._chronicle = Chronicle()
        observer.parts |= {"catalog": self._chronicle.describe, "features": self._features.describe}

    async def start(self) -> str:
        """Takes the views of the catalog live and listens; returns the bound address.

        Raises:
            ConfigurationError: The tenants file, an existing catalog or the address cannot be used.
        """
        self._front.keep(self._features.run())
        await self._front.open()
        self._front.reflection.report(descriptor_pool.Default(), ())
        if await self._watch.start(self._front.keep):
            await self._advance()
        else:
            await self._swap()
        address = await self._front.listen()
        self._front.keep(self._watch.follow(self._advance))
        return address

    async def stop(self) -> None:
        """Sends new calls elsewhere and lets those under way finish."""
        await self._front.close()
        await self._features.close()

    def _serves(self, path: str) -> bool:
        return self._front.serves(path)

    def _table(self, tenants: Admission) -> Table:
        return feature_endpoints(tenants, self._snapshot.views, self._features, self._features)

    async def _advance(self) -> None:
        """Reads the newest catalog and takes its views live.

        Raises:
            CatalogError: There is none that is as new as the live one.
        """
        previous = self._snapshot
        snapshot = await asyncio.to_thread(self._watch.catalogs.newest, previous)
        if snapshot != previous:
            self._snapshot = snapshot
            tell_faults(snapshot.faults, previous.faults)
            log.info("catalog live", generation=snapshot.generation, views=sorted(snapshot.views))
            await self._swap()
        await self._watch.catalogs.keep()

    async def _swap(self) -> None:
        self._chronicle.take(self._snapshot)
        self._features.follow(self._snapshot.views.values())
        self._front.renew()
        await self._front.health.report(dict.fromkeys(("", SERVICE), bool(self._snapshot.generation)), {})


async def serve(settings: Settings) -> None:
    """Runs the service until SIGTERM, SIGINT or SIGHUP; a second signal ends it at once.

    Raises:
        ConfigurationError: It cannot start.
    """
    await run(FeatureStoreServer(settings), settings.drain_seconds)
