"""Follows the catalog while a process serves: its file, and Redis where there is one."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any

import structlog

from gateway.catalog.sources import Catalogs
from gateway.errors import ConfigurationError
from gateway.settings import Settings
from gateway.watching import Fingerprint, changes, fingerprint

if TYPE_CHECKING:
    from gateway.catalog.redis import RedisCatalog

log = structlog.get_logger(__name__)


class CatalogWatch:
    """Looks for a newer catalog.

    Args:
        settings: What the operator chose.

    Attributes:
        catalogs: Where the catalog is found.

    Raises:
        ConfigurationError: The URL of Redis is not valid.
    """

    def __init__(self, settings: Settings) -> None:
        self._path, self._pause_seconds = settings.catalog, settings.watch_seconds
        self._store = open_store(settings)
        self.catalogs = Catalogs(settings.catalog, self._store)
        self._seen: Fingerprint = None

    async def start(self, keep: Callable[[Coroutine[Any, Any, None]], None]) -> bool:
        """Looks once; returns whether there is a catalog.

        Args:
            keep: Runs something beside the calls.
        """
        self._seen = fingerprint(self._path)
        if self._store is not None:
            keep(self._store.follow())
            await self._store.looked.wait()
        if self._seen is None and (self._store is None or self._store.edition is None):
            log.warning("no catalog yet; `gapura publish` writes it", catalog=str(self._path))
            return False
        return True

    async def follow(
        self, advance: Callable[[], Awaitable[None]], unsettled: Callable[[], bool] = lambda: False
    ) -> None:
        """Has every newer catalog taken live, until it is cancelled.

        Args:
            advance: Takes the newest catalog live.
            unsettled: Says whether the catalog deserves another try as it is.
        """
        news = self._store.news if self._store is not None else None
        async for _ in changes(self._path, self._seen, self._pause_seconds, unsettled, news):
            try:
                await advance()
            except ConfigurationError as error:
                log.error("catalog stays as it was", reason=error.message)
            except Exception:
                log.exception("catalog stays as it was")


def open_store(settings: Settings) -> "RedisCatalog | None":
    """Returns the catalog in Redis, if there is to be one.

    Raises:
        ConfigurationError: The URL is not valid.
    """
    if settings.redis is None:
        return None
    from gateway.catalog.redis import RedisCatalog  # noqa: PLC0415 - its import takes 0.3 s

    return RedisCatalog(settings.redis, settings.catalog_key, settings.watch_seconds)
