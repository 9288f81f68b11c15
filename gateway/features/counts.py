"""What the reader of features has done: exact, read without stopping it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.feature_views import FeatureStatus


@dataclass(slots=True)
class FeatureCounts:
    """Counts since the start.

    Attributes:
        hits: Lookups that were answered from memory with fresh rows, without waiting.
        misses: Lookups that were not.
        joined: Of those, lookups whose row was on its way already.
        reads: Requests to the store.
        rows: Rows that were asked of it.
        unread: Rows that the store did not give in time.
        corrupt: Rows that are not what their view says.
        statuses: What misses were answered with.
    """

    hits: int = 0
    misses: int = 0
    joined: int = 0
    reads: int = 0
    rows: int = 0
    unread: int = 0
    corrupt: int = 0
    statuses: Counter[FeatureStatus] = field(default_factory=Counter)

    def describe(self) -> Mapping[str, Any]:
        """Says them, ready for JSON; hits count as fresh, which they are."""
        statuses = {status.name: count for status, count in self.statuses.items()}
        statuses[FeatureStatus.FRESH.name] = self.statuses[FeatureStatus.FRESH] + self.hits
        names = ("hits", "misses", "joined", "reads", "rows", "unread", "corrupt")
        return {**{name: getattr(self, name) for name in names}, "statuses": statuses}
