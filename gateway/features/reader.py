"""Reads stored features for calls: from memory while changes are told, else from the store, else as the view allows."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from time import monotonic
from typing import Any

from gapura_features.keys import POINTERS, row_prefix

from gateway.feature_views import NO_FEATURES, Features, FeatureView, Lookup
from gateway.features.counts import FeatureCounts
from gateway.features.fetching import FOR_EVER, Fetch, Fetcher
from gateway.features.pointers import Pointers
from gateway.features.shelf import UNTOLD_SECONDS, Shelf
from gateway.features.source import RowSource

# Until changes of new data are told, after a materialisation.
SETTLING_SECONDS = 1.0


class Reader:
    """The reader of stored features; a listener of their store.

    Args:
        source: The store.
        budget_seconds: For how long a call waits for its features at most.
        copies: Rows of one view that are kept in memory.
        copy_seconds: For how long a row in memory is used without a look at the store.

    Attributes:
        counts: What it has done.
    """

    def __init__(self, source: RowSource, budget_seconds: float, copies: int, copy_seconds: float) -> None:
        self.counts = FeatureCounts()
        self._source = source
        self._copies, self._copy_seconds = copies, copy_seconds
        self._shelves: dict[str, Shelf] = {}
        self._budget = budget_seconds
        self._fetcher = Fetcher(source, budget_seconds, self.counts)
        self._fetcher.trust_seconds = UNTOLD_SECONDS
        self._pointers = Pointers(source, lambda: list(self._shelves), self._turn)

    def peek(self, wanted: Sequence[Lookup | None]) -> list[Features] | None:
        """Returns the features of all that is wanted, if they are at hand; None otherwise."""
        now, shelves, found = monotonic(), self._shelves, []
        for lookup in wanted:
            if lookup is None:
                found.append(NO_FEATURES)
                continue
            view, entity = lookup
            shelf = shelves.get(view.name)
            if shelf is None or shelf.view is not view:
                return None
            copy = shelf.copies.get(entity)
            if copy is None or copy[0] < now:
                return None
            found.append(copy[1])
        self.counts.hits += len(found)
        return found

    async def fetch(self, wanted: Sequence[Lookup | None]) -> list[Features]:
        """Returns the features of all that is wanted, in its order: fresh ones, or what each view allows instead."""
        found: list[Any] = []  # of features, and of fetches until they are settled
        missing = 0
        for lookup in wanted:
            if lookup is None:
                found.append(NO_FEATURES)
                continue
            view, entity = lookup
            shelf = self._shelves.get(view.name)
            if shelf is None or shelf.view is not view:
                shelf = self.shelf(view)
            if not shelf.prefix:
                await self._look()
            features = shelf.known(entity) if shelf.prefix else shelf.unread(entity)
            if features is None:
                missing += 1
                found.append(self._fetcher.want(shelf, entity))
            else:
                found.append(features)
        if missing:
            self.counts.misses += missing
            for position, fetch in enumerate(found):
                if type(fetch) is Fetch:
                    waiter = self._fetcher.wait(fetch)
                    if waiter is not None:
                        await waiter
                    found[position] = fetch.features or fetch.shelf.unread(fetch.entity)
        return found

    def changed(self, keys: Iterable[bytes]) -> None:
        """Takes the keys that were written or deleted."""
        for key in keys:
            told = key.decode(errors="replace")
            if told.startswith(POINTERS):
                self._pointers.look()
                continue
            _, place, entity = told.split(":", 2)
            shelf = self._shelves.get(place.rpartition(".")[0])
            if shelf is not None and told.startswith(shelf.prefix):
                shelf.forget(entity)
                self._fetcher.changed(told)

    def lost(self) -> None:
        """Takes that changes may be missed from now on."""
        self._fetcher.trust_seconds = UNTOLD_SECONDS
        self._fetcher.lose()
        self._doubt()

    def followed(self) -> None:
        """Takes that every change is told from now on."""
        self._doubt()
        self._fetcher.trust_seconds = FOR_EVER
        self._fetcher.recover()
        self._pointers.look()

    def follow(self, views: Collection[FeatureView]) -> None:
        """Takes the views that calls may look up from now on; rows of a view that stays as it is stay too."""
        self._shelves = {view.name: self.shelf(view) for view in views}
        self._follow()
        self._pointers.look()

    async def run(self) -> None:
        """Follows the store, for ever."""
        await self._source.run(self)

    async def close(self) -> None:
        """Ends what is under way, and closes the connections."""
        await self._pointers.close()
        await self._fetcher.close()
        await self._source.close()

    async def _look(self) -> None:
        """Waits for the pointers, unless the store is away."""
        if not self._pointers.unread:
            await asyncio.wait([self._pointers.look()], timeout=self._budget)

    def shelf(self, view: FeatureView) -> Shelf:
        """Returns the shelf of a view; a call of an earlier catalog has one of its own."""
        shelf = self._shelves.get(view.name)
        if shelf is not None and shelf.view is view:
            return shelf
        live = self._pointers.live.get(view.name)
        prefix = "" if live is None else row_prefix(view.name, live)
        return Shelf(view, prefix, self._copies, self._copy_seconds, self.counts)

    def _turn(self, view: str, data: int) -> None:
        """Takes that other data of a view is live."""
        shelf = self._shelves.get(view)
        if shelf is not None:
            shelf.turn(row_prefix(view, data), SETTLING_SECONDS)
        self._follow()

    def _doubt(self) -> None:
        self._fetcher.doubt()
        for shelf in self._shelves.values():
            shelf.doubt()

    def _follow(self) -> None:
        """Names what the store is to tell of: pointers, and rows of live data, but not those that are being built."""
        live = (shelf.prefix for shelf in self._shelves.values() if shelf.prefix)
        self._source.follow(frozenset((POINTERS, *live)))
