"""Finds the newest catalog: in the file, or in Redis where there is one."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import structlog

from gateway.catalog.edition import Edition
from gateway.catalog.file import keep, read_file
from gateway.catalog.snapshot import Snapshot, read_snapshot
from gateway.errors import CatalogError

log = structlog.get_logger(__name__)


class Store(Protocol):
    """What else than the file may have a catalog."""

    @property
    def edition(self) -> Edition | None:
        """The newest catalog that was seen there."""


class Catalogs:
    """The catalog of a file, and of a store that may be ahead of it or behind.

    Args:
        path: The file.
        store: The store, if there is one.
    """

    def __init__(self, path: Path, store: Store | None = None) -> None:
        self._path = path
        self._store = store
        self._faults: tuple[str, ...] = ()
        self._taken: Edition | None = None
        self._kept: Edition | None = None

    def newest(self, previous: Snapshot) -> Snapshot:
        """Reads the newest catalog that is whole; versions that were live before stay the same objects.

        Raises:
            CatalogError: There is none that is as new as `previous`.
        """
        faults = list[CatalogError]()
        for edition in self._editions(faults):
            try:
                snapshot = read_snapshot(edition, previous)
            except CatalogError as error:
                faults.append(error)
                continue
            self._taken = edition
            self._tell(faults)
            return snapshot
        raise faults[0]

    async def keep(self) -> None:
        """Writes the catalog that was read last to the file, if that is older: the next start may be without store."""
        edition = self._taken
        if self._store is None or edition is None or edition is not self._store.edition or edition is self._kept:
            return
        self._kept = edition  # or not: each is tried once
        try:
            if await asyncio.to_thread(keep, self._path, edition):
                log.info("catalog kept", generation=edition.generation, file=str(self._path))
        except OSError as error:
            log.error("catalog cannot be kept for a restart", file=str(self._path), reason=error.strerror)

    def _editions(self, faults: list[CatalogError]) -> Iterator[Edition]:
        """Yields what there is, the newest first, and the file first of two that are as new."""
        stored = self._store.edition if self._store is not None else None
        found = [stored] if stored is not None else []
        if self._path.exists() or not found:  # a replica that has just started has no file yet
            try:
                found.insert(0, read_file(self._path))
            except CatalogError as error:
                faults.append(error)
        yield from sorted(found, key=lambda edition: edition.generation, reverse=True)

    def _tell(self, faults: list[CatalogError]) -> None:
        """Logs why a catalog was passed over, once."""
        told = tuple(error.message for error in faults)
        if told != self._faults:
            self._faults = told
            for reason in told:
                log.error("catalog passed over", reason=reason)
