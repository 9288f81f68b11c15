"""Follows what is served while a process serves: the catalog, in its file and in Redis, and descriptor sets."""

from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog

from gateway.catalog.sources import Catalogs
from gateway.contracts.descriptors import sets_in
from gateway.errors import ConfigurationError
from gateway.settings import Settings
from gateway.watching import Fingerprint, changes, fingerprint

if TYPE_CHECKING:
    from gateway.catalog.redis import RedisCatalog

log = structlog.get_logger(__name__)


class Seen(NamedTuple):
    """What a look has found.

    Attributes:
        catalog: Fingerprint of the catalog's file.
        sets: Name and fingerprint of each descriptor set.
    """

    catalog: Fingerprint
    sets: tuple[tuple[str, Fingerprint], ...]


class CatalogWatch:
    """Looks for a newer catalog, and for other descriptor sets.

    Args:
        settings: What the operator chose.
        contracts: Folder of descriptor sets; it may be missing. None where nobody compiles them.

    Attributes:
        catalogs: Where the catalog is found.

    Raises:
        ConfigurationError: The URL of Redis is not valid.
    """

    def __init__(self, settings: Settings, contracts: Path | None = None) -> None:
        self._contracts = contracts
        self._path, self._pause_seconds = settings.catalog, settings.watch_seconds
        self._store = open_store(settings)
        self.catalogs = Catalogs(settings.catalog, self._store)
        self._seen = self._look()

    async def start(self, keep: Callable[[Coroutine[Any, Any, None]], None]) -> bool:
        """Looks once; returns whether there is a catalog.

        Args:
            keep: Runs something beside the calls.
        """
        self._seen = self._look()
        if self._store is not None:
            keep(self._store.follow())
            await self._store.looked.wait()
        if self._seen.catalog is None and (self._store is None or self._store.edition is None):
            log.warning("no catalog yet; `gapura publish` writes it", catalog=str(self._path))
            return False
        return True

    async def follow(
        self, advance: Callable[[], Awaitable[None]], unsettled: Callable[[], bool] = lambda: False
    ) -> None:
        """Has every newer catalog taken live, and every change of descriptor sets, until it is cancelled.

        Args:
            advance: Takes the newest catalog and the descriptor sets live.
            unsettled: Says whether they deserve another try as they are.
        """
        news = self._store.news if self._store is not None else None
        async for _ in changes(self._look, self._seen, self._pause_seconds, unsettled, news):
            try:
                await advance()
            except ConfigurationError as error:
                log.error("catalog stays as it was", reason=error.message)
            except Exception:
                log.exception("catalog stays as it was")

    def _look(self) -> Seen:
        sets = sets_in(self._contracts) if self._contracts is not None else ()
        return Seen(fingerprint(self._path), tuple((path.name, fingerprint(path)) for path in sets))


def open_store(settings: Settings) -> "RedisCatalog | None":
    """Returns the catalog in Redis, if there is to be one.

    Raises:
        ConfigurationError: The URL is not valid.
    """
    if settings.redis is None:
        return None
    from gateway.catalog.redis import RedisCatalog  # noqa: PLC0415 - its import takes 0.3 s

    return RedisCatalog(settings.redis, settings.catalog_key, settings.watch_seconds)
