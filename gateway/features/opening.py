"""Opens stored features: those in a Redis, or none where there is no Redis."""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.feature_views import FeatureView, FreshRow
from gateway.features.absent import NoFeatures
from gateway.features.reader import Reader
from gateway.features.source import RowSource
from gateway.features.writer import Writer
from gateway.interfaces import FeatureStore


class StoredFeatures(Reader):
    """Features in a store, read and written.

    Args:
        source: The store.
        budget_seconds: For how long a call waits for its features at most.
        copies: Rows of one view that are kept in memory.
        copy_seconds: For how long a row in memory is used without a look at the store.
    """

    def __init__(self, source: RowSource, budget_seconds: float, copies: int, copy_seconds: float) -> None:
        super().__init__(source, budget_seconds, copies, copy_seconds)
        self._writer = Writer(source)

    async def push(self, view: FeatureView, rows: Sequence[FreshRow]) -> int:
        """Writes rows, each unless a later one is stored; returns how many were written.

        Raises:
            InvalidFields: A value does not fit its column.
            Unavailable: The store does not answer; pushing again does no harm.
        """
        return await self._writer.push(view, rows)

    def describe(self) -> Mapping[str, Any]:
        """Says what it has done since its start, ready for JSON."""
        return self.counts.describe()


def open_features(url: str | None, budget_seconds: float, copies: int, copy_seconds: float) -> FeatureStore:
    """Opens the features in a Redis; nothing connects before it runs.

    Args:
        url: Of one Redis, of what a Sentinel names, or of a cluster; None where there is none.
        budget_seconds: For how long a call waits for its features at most.
        copies: Rows of one view that are kept in memory.
        copy_seconds: For how long a row in memory is used without a look at Redis.

    Raises:
        ConfigurationError: The URL is not valid.
    """
    if url is None:
        return NoFeatures()
    from gateway.features.redis.opening import open_source  # noqa: PLC0415 - its import takes 0.3 s

    return StoredFeatures(open_source(url), budget_seconds, copies, copy_seconds)
