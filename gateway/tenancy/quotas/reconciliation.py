"""Reconciles this process' quotas with those of all others, through Redis and ten times a second."""

import asyncio
import hashlib
import struct
from collections.abc import Sequence
from contextlib import aclosing
from importlib.resources import files
from random import uniform
from secrets import token_hex
from time import monotonic
from typing import Any

import structlog
from redis.exceptions import NoScriptError, RedisError

from gateway.redis_connection import cancelled, connect, place_of
from gateway.tenancy.quotas.account import ANSWER, Account
from gateway.tenancy.quotas.accounts import Accounts

ANSWER_SECONDS = 0.1  # an older one would be of no use

# Workers must not all report at once.
EVERY_SECONDS = 0.09, 0.11

# A script holds Redis up for everybody, and writing reports holds up this process: 2 ms and 1 ms for as many tenants.
TENANTS_AT_ONCE = 200

# Without an answer for so long Redis is lost. What is admitted from then on is a matter of this process alone.
LOST_SECONDS = 0.5

WORKERS = struct.Struct("<d")

log = structlog.get_logger(__name__)


class Reconciler:
    """Reports what tenants consume and demand, and takes over what Redis says of their quotas.

    No call waits for it. While Redis is lost, every process keeps the shares that it was told last.

    A report has all that an account ever took, and Redis keeps what it was told last: a report counts once, even if
    its answer was lost and it is sent again. Only if Redis forgot the worker in between may it count twice, which
    admits less than the limit, never more.

    Args:
        url: `redis://`, `rediss://` (TLS) or `unix://`, with user and password where they are needed.
        accounts: What is reconciled.
        prefix: What keys begin with. They have it as their hash tag, so that they are all on one node of a cluster.

    Raises:
        ConfigurationError: The URL is not valid.
    """

    def __init__(self, url: str, accounts: Accounts, prefix: str = "gapura:quota") -> None:
        self._url = url
        self._roster = accounts.roster
        self._worker = token_hex(8)
        self._tag = prefix if "{" in prefix else f"{{{prefix}}}"
        self._script = files(__package__).joinpath("reconciliation.lua").read_text()
        self._sha = hashlib.sha1(self._script.encode(), usedforsecurity=False).hexdigest()
        self._place = place_of(connect(url))
        self._heard_at = monotonic()
        self._lost = False

    async def run(self) -> None:
        """Reports until it is cancelled; connects again whenever it has to."""
        self._heard_at = monotonic()
        while True:
            try:
                async with aclosing(connect(self._url, ANSWER_SECONDS)) as client:
                    await self._report_on(client)
            except (RedisError, OSError, TimeoutError) as error:
                self._lose(str(error) or type(error).__name__)
            except Exception as error:  # noqa: BLE001 - whatever it is, the next try may go well
                self._lose(repr(error))
            await asyncio.sleep(uniform(*EVERY_SECONDS))  # noqa: S311 - no secret

    async def _report_on(self, client: Any) -> None:
        """Reports until the connection breaks.

        Raises:
            RedisError: It did, or Redis refuses.
        """
        await self._reconcile(client, ())  # connecting takes long: what is reported while it lasts is old
        while not cancelled():
            busy = tuple(self._roster.busy)
            for first in range(0, max(len(busy), 1), TENANTS_AT_ONCE):
                await self._reconcile(client, busy[first : first + TENANTS_AT_ONCE])
            await asyncio.sleep(uniform(*EVERY_SECONDS))  # noqa: S311 - no secret
        raise asyncio.CancelledError

    async def _reconcile(self, client: Any, accounts: Sequence[Account]) -> None:
        """Reports some accounts, and takes over what is answered; without accounts, Redis learns who lives."""
        now = monotonic()
        keys = f"{self._tag}:workers", *(f"{self._tag}:tenant:{account.name}" for account in accounts)
        content = self._worker, *(account.report(now) for account in accounts)
        try:
            answer = await client.evalsha(self._sha, len(keys), *keys, *content)
        except NoScriptError:
            answer = await client.eval(self._script, len(keys), *keys, *content)
        now = monotonic()
        self._roster.share = 1 / WORKERS.unpack_from(answer)[0]
        for account, told in zip(accounts, ANSWER.iter_unpack(answer[WORKERS.size :]), strict=True):
            account.adopt(told, now)
        self._find(now)

    def _find(self, now: float) -> None:
        """Notes that Redis answered."""
        self._heard_at = now
        if self._lost:
            self._lost = False
            log.info("quotas are reconciled again", redis=self._place)

    def _lose(self, problem: str) -> None:
        """Notes that Redis did not answer, and says so once, if it has not for long."""
        now = monotonic()
        for account in self._roster.busy:
            account.lose_touch(now, LOST_SECONDS)
        if not self._lost and now - self._heard_at > LOST_SECONDS:
            self._lost = True
            log.error("quotas are not reconciled; the last known shares hold", redis=self._place, reason=problem)
