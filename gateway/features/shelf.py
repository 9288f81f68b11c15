"""The rows of one view that are at hand, and what is used where a fresh one is not."""

from collections import OrderedDict
from random import random
from time import monotonic, time_ns
from typing import NamedTuple, TypeVar

from gapura_features.packed import CorruptRow, RowFormat

from gateway.errors import GatewayError, NotFound, Unavailable
from gateway.feature_views import Degrade, Features, FeatureStatus, FeatureView, defaults_of, fill, refused
from gateway.features.counts import FeatureCounts

# For how long what was read may be believed where changes are not told.
UNTOLD_SECONDS = 0.02
LACK_SECONDS = 2.0
JITTER = 0.1
FRESH = FeatureStatus.FRESH

# Makes a named tuple at half the cost.
new_tuple = tuple.__new__

OTHERWISE = "or say all of them in the request"

Kept = TypeVar("Kept")


# A fresh row: until when it may be used without a look at the store, in seconds of `time.monotonic`, and itself.
Copy = tuple[float, Features]


class Lack(NamedTuple):
    """What is known of an entity that has no fresh row.

    Attributes:
        until: Until when that may be believed, in seconds of `time.monotonic`.
        row: Its row, if there is one and it is too old to be fresh.
    """

    until: float
    row: Features | None


class Shelf:
    """What is at hand of one view.

    Args:
        view: The view.
        prefix: What the keys of its live rows begin with; empty as long as that is not known.
        most: Rows that are kept.
        seconds: How long a row may be used while every change is told.
        counts: Where is counted what happens.

    Attributes:
        view: As above.
        prefix: As above.
        copies: Fresh rows by entity.
    """

    def __init__(self, view: FeatureView, prefix: str, most: int, seconds: float, counts: FeatureCounts) -> None:
        self.view = view
        self.prefix = prefix
        self.copies: OrderedDict[str, Copy] = OrderedDict()
        self._lacks: OrderedDict[str, Lack] = OrderedDict()
        self._reserve: OrderedDict[str, Copy] = OrderedDict()
        self._most, self._seconds, self._jitter = most, seconds * (1 + JITTER), seconds * 2 * JITTER
        self._untold_until = 0.0
        self._counts = counts
        self._format = RowFormat(view.schema)
        self._blank = defaults_of(view)

    def known(self, entity: str) -> Features | None:
        """Returns what is known of an entity, be it that it has no fresh row; None if the store has to say."""
        now = monotonic()
        copy = self.copies.get(entity)
        if copy is not None and now < copy[0]:
            return copy[1]
        lack = self._lacks.get(entity)
        return self._instead(lack.row) if lack is not None and now < lack.until else None

    def take(self, entity: str, packed: bytes | None, now: float, now_ms: int, until: float) -> Features:
        """Takes what the store says of an entity; returns what is used.

        Args:
            entity: The entity.
            packed: Its row, or None where none is stored.
            now: The time, in seconds of `time.monotonic`.
            now_ms: The time, in milliseconds since 1970.
            until: Until when that may be believed at most, as `now`.
        """
        row = None if packed is None else self._unpack(packed)
        if now < self._untold_until:
            until = min(until, now + UNTOLD_SECONDS)
        if row is not None:
            left_ms = self.view.freshness_ms - now_ms + row[3]
            if left_ms >= 0:
                # So that rows which were read together are not read again together.
                seconds = self._seconds - self._jitter * random()  # noqa: S311 - nothing secret
                end = now + (seconds if seconds * 1000 < left_ms else left_ms / 1000)
                copies = self.copies
                copies[entity] = (end if end < until else until, row)  # noqa: FURB136 - a fifth of the cost of `min`
                if len(copies) > self._most:
                    copies.popitem(last=False)
                return row
        self.copies.pop(entity, None)
        self._reserve.pop(entity, None)
        put(self._lacks, self._most, entity, Lack(min(now + LACK_SECONDS, until), row))
        return self._instead(row)

    def unread(self, entity: str) -> Features:
        """Returns what is used where the store does not answer: the last row, as far as the view allows."""
        if self.view.degrade is not Degrade.REFUSE:
            copy, lack = self.copies.get(entity) or self._reserve.get(entity), self._lacks.get(entity)
            return self._stale(copy[1] if copy else lack.row if lack else None)
        told = f"the features of view '{self.view.name}' cannot be read now: try again"
        return self._refuse(Unavailable("FEATURES_UNAVAILABLE", f"{told}, {OTHERWISE}", view=self.view.name))

    def forget(self, entity: str) -> None:
        """Takes that a row was written or deleted."""
        copy = self.copies.pop(entity, None)
        if copy is not None:
            put(self._reserve, self._most, entity, copy)
        self._lacks.pop(entity, None)

    def turn(self, prefix: str, untold_seconds: float) -> None:
        """Takes that other rows are live.

        Args:
            prefix: What their keys begin with.
            untold_seconds: For how long their changes are perhaps not told.
        """
        self.prefix = prefix
        self._untold_until = monotonic() + untold_seconds
        self.doubt()

    def doubt(self) -> None:
        """Takes that any row may have changed: copies are of use only where the store does not answer."""
        if self._reserve:
            self._reserve.update(self.copies)
            while len(self._reserve) > self._most:
                self._reserve.popitem(last=False)
        else:
            self._reserve = self.copies
        self.copies = OrderedDict()
        self._lacks.clear()

    def _unpack(self, packed: bytes) -> Features | None:
        try:
            values, event_time_ms, has_nulls = self._format.read(packed)
        except CorruptRow:
            self._counts.corrupt += 1
            return None
        filled = fill(self.view, values) if has_nulls else values
        return new_tuple(Features, (values, filled, FRESH, event_time_ms, None))

    def _instead(self, row: Features | None) -> Features:
        """Returns what is used in place of a fresh row: the one that is stored, if there is one, is too old."""
        if self.view.degrade is not Degrade.REFUSE:
            return self._stale(row)
        name = self.view.name
        if row is None:
            told = f"view '{name}' has no features of this {self.view.entity}: push them, {OTHERWISE}"
            return self._refuse(NotFound("ENTITY_UNKNOWN", told, view=name))
        ages = f"{age_ms(row) / 1000:,.0f} s old, and may be {self.view.freshness_ms / 1000:,.0f} s"
        told = (
            f"the features that view '{name}' has of this {self.view.entity} are {ages}: push fresh ones, {OTHERWISE}"
        )
        return self._refuse(Unavailable("FEATURES_UNAVAILABLE", told, view=name))

    def _stale(self, row: Features | None) -> Features:
        """Returns a row that is not fresh, if the view allows it, and the defaults otherwise."""
        if row is not None and self.view.degrade is Degrade.STALE and age_ms(row) <= self.view.stale_ms:
            self._counts.statuses[FeatureStatus.STALE] += 1
            return row._replace(status=FeatureStatus.STALE)
        self._counts.statuses[FeatureStatus.DEFAULT] += 1
        return self._blank

    def _refuse(self, why: GatewayError) -> Features:
        self._counts.statuses[FeatureStatus.REFUSED] += 1
        return refused(self.view, why)


def put(shelf: OrderedDict[str, Kept], most: int, entity: str, kept: Kept) -> None:
    """Keeps something as the newest; the oldest leaves when there are too many."""
    shelf[entity] = kept
    if len(shelf) > most:
        shelf.popitem(last=False)


def age_ms(row: Features) -> int:
    """Returns the age of a row."""
    return time_ns() // 1_000_000 - row.event_time_ms
