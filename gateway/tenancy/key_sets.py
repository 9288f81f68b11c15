"""Keeps the public keys of issuers at hand, and up to date, so that tokens are verified without waiting."""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from random import uniform
from time import monotonic
from typing import TYPE_CHECKING, Any

import structlog

from gateway.errors import ConfigurationError
from gateway.tenancy.issuers import TokenIssuer, is_url
from gateway.tenancy.jwks import Keys, fetch, parse, require_jwt

if TYPE_CHECKING:
    from jwt import PyJWK

LOOK_SECONDS = 0.1
WHOLE_SECONDS = 10.0  # for one reading, however slowly a server sends
PAUSE_SECONDS = 5.0
JITTER = 0.9, 1.0  # gateways that started together do not ask together

log = structlog.get_logger(__name__)


class KeySet:
    """The keys at one location. Whatever happens there, the last good ones stay.

    Args:
        issuer: Whose tokens they verify; its keys are read every `refresh_seconds` of it.
        fingerprint: Tells one content of a file from the next.
        pause_seconds: Least time between two readings that tokens or failures give cause to.

    Attributes:
        keys: There are none before the first good reading.
    """

    def __init__(self, issuer: TokenIssuer, fingerprint: Callable[[Path], object], pause_seconds: float) -> None:
        self.issuer = issuer
        self.keys: Keys = {}
        self._file = None if is_url(issuer.jwks) else Path(issuer.jwks)
        self._fingerprint = fingerprint
        self._pause_seconds = pause_seconds
        self._content: dict[str, Any] | None = None
        self._seen: object = None
        self._problem = ""
        self._wanted = False
        self._busy = False
        self._pause_ends = self._next = 0.0

    def want(self) -> None:
        """Asks for a reading: a token names a key that is not here."""
        self._wanted = True

    def is_due(self, now: float) -> bool:
        """Says whether the keys are to be read, at a time of the monotonic clock."""
        if self._busy:
            return False
        replaced = self._file is not None and self._fingerprint(self._file) != self._seen
        return replaced or now >= self._next or (self._wanted and now >= self._pause_ends)

    async def read(self) -> bool:
        """Reads the keys; returns whether they are others than before. What goes wrong is logged, once."""
        before, self._busy = self.keys, True
        if self._file is not None:
            self._seen = self._fingerprint(self._file)
        try:
            problem = await self._replace()
        finally:
            self._busy = False
        if problem and problem != self._problem:
            log.error("keys of an issuer stay as they were", issuer=self.issuer.issuer, reason=problem)
        self._problem = problem
        self._plan(failed=bool(problem))
        return self.keys is not before

    async def _replace(self) -> str:
        """Replaces the keys if they are others; returns what went wrong, or an empty text."""
        try:
            async with asyncio.timeout(WHOLE_SECONDS):
                content = await asyncio.to_thread(fetch, self.issuer.jwks)
                if content != self._content:
                    self.keys, self._content = await asyncio.to_thread(parse, content), content
        except TimeoutError:
            return f"reading {self.issuer.jwks} took longer than {WHOLE_SECONDS:g} s"
        except ConfigurationError as error:
            return error.message
        except Exception as error:  # noqa: BLE001 - whatever it is, the other sets are to be followed
            return f"{type(error).__name__}: {' '.join(str(error).split())}"
        return ""

    def _plan(self, *, failed: bool) -> None:
        """Sets the time of the next reading."""
        every, now = self.issuer.refresh_seconds, monotonic()
        self._wanted = False
        self._pause_ends = now + self._pause_seconds
        self._next = now + uniform(*JITTER) * (min(every, self._pause_seconds) if failed else every)  # noqa: S311 - no secret


class KeySets:
    """The keys of all issuers, by location. One object outlives every reading of the tenants file.

    Args:
        fingerprint: Tells one content of a file from the next; `gateway.watching.fingerprint`.
        pause_seconds: Least time between two readings of a location that tokens or failures give cause to.

    Attributes:
        edition: Another number whenever keys are others than before: what they have proven is to be proven again.
    """

    def __init__(self, fingerprint: Callable[[Path], object], pause_seconds: float = PAUSE_SECONDS) -> None:
        self.edition = 0
        self._fingerprint = fingerprint
        self._pause_seconds = pause_seconds
        self._sets: dict[str, KeySet] = {}

    def find(self, location: str, kid: str, algorithm: str) -> "PyJWK | None":
        """Returns a key; where it is missing, its location is read again before long."""
        key_set = self._sets.get(location)
        if key_set is None:
            return None
        key = key_set.keys.get((kid, algorithm))
        if key is None:
            key_set.want()
        return key

    async def refresh(self, issuers: Iterable[TokenIssuer]) -> None:
        """Takes these issuers in place of those before, and waits until new locations were read or have failed.

        Raises:
            ConfigurationError: PyJWT is not installed.
        """
        by_location: dict[str, TokenIssuer] = {}
        for issuer in issuers:
            known = by_location.setdefault(issuer.jwks, issuer)
            if issuer.refresh_seconds < known.refresh_seconds:
                by_location[issuer.jwks] = issuer
        if by_location:
            require_jwt()
        sets = {location: self._open(issuer) for location, issuer in by_location.items()}
        await asyncio.gather(*(self._read(key_set) for location, key_set in sets.items() if location not in self._sets))
        self._sets = sets

    async def follow(self) -> None:
        """Keeps the keys up to date until it is cancelled."""
        async with asyncio.TaskGroup() as readings:
            while True:
                now = monotonic()
                for key_set in self._sets.values():
                    if key_set.is_due(now):
                        readings.create_task(self._read(key_set))
                await asyncio.sleep(LOOK_SECONDS)

    def _open(self, issuer: TokenIssuer) -> KeySet:
        """Returns the set at an issuer's location."""
        key_set = self._sets.get(issuer.jwks)
        if key_set is None:
            return KeySet(issuer, self._fingerprint, self._pause_seconds)
        key_set.issuer = issuer
        return key_set

    async def _read(self, key_set: KeySet) -> None:
        """Reads one location."""
        if await key_set.read():
            self.edition += 1
            log.info(
                "keys of an issuer are others", issuer=key_set.issuer.issuer, keys=len({k for k, _ in key_set.keys})
            )
