"""Keeps the tenants: reads their file, follows it, and brings together what tells who they are and what they use."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter

import structlog

from gateway.errors import ConfigurationError
from gateway.tenancy.directory import Directory, open_directory
from gateway.tenancy.file import TenantsFile
from gateway.tenancy.key_sets import KeySets
from gateway.tenancy.policies import Tenants
from gateway.tenancy.quotas.accounts import Accounts
from gateway.tenancy.tenant import Book
from gateway.watching import Fingerprint, changes, fingerprint

log = structlog.get_logger(__name__)


class Membership:
    """The tenants, as the newest file that is valid has them.

    Args:
        path: The tenants file.
        accounts: What they use over time.
        book: Where what they have used is written down.
        certified: Whether somebody trustworthy tells of the certificate of every call's caller.

    Attributes:
        directory: They, ready to be asked; there are none until `start`.
    """

    def __init__(self, path: Path, accounts: Accounts, book: Book, *, certified: bool) -> None:
        self._file = TenantsFile(path)
        self._accounts = accounts
        self._book = book
        self._certified = certified
        self._key_sets = KeySets(fingerprint)
        self._seen: Fingerprint = None
        self.directory: Directory = open_directory(Tenants())

    async def start(self) -> None:
        """Reads the file, if there is one.

        Raises:
            ConfigurationError: It is not valid.
        """
        self._seen = fingerprint(self._file.path)
        if self._seen is None:
            log.warning("no tenants yet; `gapura tenants add` writes them", tenants=str(self._file.path))
        else:
            await self._read()

    async def follow_keys(self) -> None:
        """Keeps the keys of issuers up to date until it is cancelled."""
        await self._key_sets.follow()

    async def follow(self, every_seconds: float, changed: Callable[[], None]) -> None:
        """Reads the file whenever it is another, until it is cancelled; one that is not valid changes nothing.

        Args:
            every_seconds: Time between tries.
            changed: Called when there is another directory.
        """
        async for _ in changes(partial(fingerprint, self._file.path), self._seen, every_seconds):
            began = perf_counter()
            try:
                await self._read()
            except ConfigurationError as error:
                log.error("tenants stay as they were", reason=error.message)
                continue
            except Exception:
                log.exception("tenants stay as they were")
                continue
            changed()
            took_ms = round(1000 * (perf_counter() - began))
            log.info("tenants read again", tenants=len(self.directory.tenants), took_ms=took_ms)

    async def _read(self) -> None:
        """Reads the file; calls go on meanwhile.

        Raises:
            ConfigurationError: It is not valid.
        """
        read = await asyncio.to_thread(self._file.read)
        await self._key_sets.refresh(read.issuers)
        self.directory = await asyncio.to_thread(
            open_directory,
            read,
            certified=self._certified,
            accounts=self._accounts,
            book=self._book,
            key_sets=self._key_sets,
            previous=self.directory,
        )
