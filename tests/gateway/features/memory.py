"""A store of rows in memory that can be held, made late, and made to fail."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import time_ns

from gapura_features.keys import pointer_key, row_key
from gapura_features.packed import RowFormat
from gapura_features.pointer import Pointer
from gapura_features.pushing import Command
from gapura_features.schema import Column, FeatureType, Schema, Value

from gateway.feature_views import Degrade, FeatureView
from gateway.features.source import UNREAD, Found, Listener

HOUR_MS = 3_600_000
COLUMNS = (Column("income", FeatureType.FLOAT32, 7.0), Column("city", FeatureType.STRING, "?"))


def view(degrade: Degrade = Degrade.STALE, name: str = "customer", columns: Sequence[Column] = COLUMNS) -> FeatureView:
    """Returns a view whose rows are fresh for an hour, and of some use for two."""
    return FeatureView(name, "customer", Schema.of(columns), HOUR_MS, 2 * HOUR_MS, degrade)


def now_ms() -> int:
    """Returns the time."""
    return time_ns() // 1_000_000


@dataclass
class MemorySource:
    """Rows by key.

    Attributes:
        rows: What is stored.
        reads: The keys of every read, in order, but for those of pointers alone.
        open: Cleared, it holds reads until set again.
        away: Whether nothing can be read.
        under_way: Reads that are under way, and the most that ever were.
        prefixes: What is followed.
    """

    rows: dict[str, bytes] = field(default_factory=dict)
    reads: list[list[str]] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    away: bool = False
    under_way: int = 0
    most_under_way: int = 0
    prefixes: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.open.set()

    def store(self, view_: FeatureView, entity: str, *values: Value, age_ms: int = 0, data: int = 1) -> str:
        """Stores a row; returns its key."""
        key = row_key(view_.name, data, entity)
        self.rows[key] = RowFormat(view_.schema).pack(values, now_ms() - age_ms)
        return key

    def point(self, view_: FeatureView, live: int) -> bytes:
        """Makes other data live; returns the key that changed."""
        key = pointer_key(view_.name)
        self.rows[key] = Pointer(live).write().encode()
        return key.encode()

    async def read(self, keys: Sequence[str]) -> list[Found]:
        """Reads rows once it is open."""
        if any(not key.startswith("f:@") for key in keys):
            self.reads.append(list(keys))
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
            await asyncio.sleep(0)
            found: list[Found] = [UNREAD if self.away else self.rows.get(key) for key in keys]
            await self.open.wait()
            self.under_way -= 1
            return found
        return [UNREAD if self.away else self.rows.get(key) for key in keys]

    async def write(self, commands: Sequence[Command]) -> list[object]:
        """Takes nothing."""
        raise NotImplementedError

    async def check(self) -> bool:
        """Says whether it can be read."""
        return not self.away

    def follow(self, prefixes: frozenset[str]) -> None:
        """Notes what is followed."""
        self.prefixes = prefixes

    async def run(self, listener: Listener) -> None:
        """Has nothing to tell by itself."""

    async def close(self) -> None:
        """Has nothing to close."""
