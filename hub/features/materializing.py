"""Makes all rows of a view anew beside those that are live, and lets them take their place.

    lock · pushes go to both · keep pushes · stage · write · keep pushes, apply them · flip · remove the old rows

Whatever ends it before the flip leaves what is live alone, and the next run goes on where it stopped.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import pyarrow.parquet as pq
from gapura_features import Pointer, row_prefix

from hub.errors import HubError
from hub.features.declaration import Declaration
from hub.features.kept import KeptPushes
from hub.features.lock import Lock
from hub.features.packing import Packer
from hub.features.reading import files, read_source, table_of
from hub.features.sources import ENTITY, TIME, Table, fingerprint
from hub.features.staging import Staged, look_at, stage
from hub.features.store import Building, Live, State, Store

CHUNK_ROWS = 20_000

_LONGEST_RESUMED_MS = 24 * 3_600_000


class Progress(Protocol):
    """Shows how far it is."""

    def stage(self, words: str) -> None:
        """Names what is being done."""

    def rows(self, done: int, total: int) -> None:
        """Takes how many rows are written."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became live.

    Attributes:
        data: Number of the data.
        entities: Rows that were written.
        resumed: Rows that an earlier run had written already.
        pushes: Pushed rows that were kept offline.
        seconds: How long it took, until the flip.
    """

    data: int
    entities: int
    resumed: int
    pushes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Materialization:
    """Materialises one view.

    Attributes:
        store: Where rows go.
        declaration: Declares the view and its source.
        folder: Where staged rows and kept pushes lie.
        progress: Shows how far it is.
        override: Files to read in place of the declared source.
        settle_seconds: Until everybody who pushes has seen that data is being made.
        grace_seconds: How long old rows stay for readers on their way.
        pause: Waits a number of seconds.
    """

    store: Store
    declaration: Declaration
    folder: Path
    progress: Progress
    override: str | None = None
    settle_seconds: float = 1.0
    grace_seconds: float = 5.0
    pause: Callable[[float], None] = time.sleep

    def run(self) -> Result:
        """Makes the rows of the source live.

        Raises:
            HubError: Another run is at work, the source cannot be read, a value does not fit, or Redis refuses; what
                is live is as it was.
        """
        begun = time.monotonic()
        with Lock(self.store.client, self.declaration.view) as lock:
            table = files(self.declaration, self.override)
            building = self._begin(table)
            pushes = self._kept.drain(self.store)
            building, staged = self._stage(building, table)
            resumed = building.done
            self._write(building, staged, lock)
            pushes += self._kept.drain(self.store)
            for rows in self._kept.rows(building.through):
                lock.require()
                self.store.apply(building.data, rows)
            lock.require()
            replaced = bool(self.store.pointer().live)
            self._flip(building, staged)
            seconds = time.monotonic() - begun
            self._tidy(building.data, replaced=replaced)
        return Result(building.data, staged.rows, resumed, pushes, seconds)

    @property
    def _kept(self) -> KeptPushes:
        return KeptPushes(self.folder / "pushed" / self.declaration.view, self.declaration.row_schema)

    @property
    def _staged(self) -> Path:
        return self.folder / "staged"

    def _begin(self, table: Table | None) -> Building:
        """Says that data is being made, the same as before where the same source was not through."""
        told = fingerprint(self.declaration, table.fingerprint() if table else self._now() // _LONGEST_RESUMED_MS)
        pointer, state = self.store.pointer(), self.store.state()
        found = state.building
        if found is None or not self._resumable(found, told, pointer):
            used = [
                pointer.live,
                pointer.building or 0,
                found.data if found else 0,
                state.live.data if state.live else 0,
            ]
            found = Building(max(used) + 1, told, "", "", 0, 0, self._now())
            self.store.note(replace(state, building=found))
        self.store.point(Pointer(pointer.live, found.data))
        self.progress.stage("waiting for pushes on their way")
        self.pause(self.settle_seconds)
        self.store.sweep(frozenset({pointer.live, found.data}))
        return found

    def _resumable(self, found: Building, told: str, pointer: Pointer) -> bool:
        """Whether rows of the same source are staged whole, and partly written."""
        return (
            found.fingerprint == told
            and found.data == pointer.building
            and bool(found.staged)
            and (self._staged / found.staged).is_file()
            and 0 <= self._now() - found.begun_ms < _LONGEST_RESUMED_MS
        )

    def _stage(self, building: Building, table: Table | None) -> tuple[Building, Staged]:
        """Returns the rows to write; those that are staged already where it goes on."""
        path = self._staged / f"{self.declaration.view}.{building.data}.parquet"
        if not building.staged:
            through = self._kept.last()
            source = self._staged / f"{self.declaration.view}.{building.data}.source.parquet"
            if table is None:
                self.progress.stage("reading the source")
                read_source(self.declaration, source)
            self.progress.stage("finding the latest rows")
            stage(self.declaration, table or table_of(self.declaration, source), self._kept, path)
            source.unlink(missing_ok=True)
            staged = look_at(path)
            building = replace(building, staged=path.name, through=through, total=staged.rows)
            self.store.note(replace(self.store.state(), building=building))
            return building, staged
        return building, look_at(path)

    def _write(self, building: Building, staged: Staged, lock: Lock) -> None:
        """Writes the rows that are not written yet, and notes after each chunk how far it is."""
        prefix, state = row_prefix(self.declaration.view, building.data), self.store.state()
        packer, done = Packer(self.declaration.row_schema), building.done
        self.progress.stage("writing")
        self.progress.rows(done, staged.rows)
        for batch in _batches_from(staged.path, done):
            lock.require()
            names = [column.name for column in self.declaration.columns]
            rows = packer.pack([batch.column(name) for name in names], batch.column(TIME))
            self.store.write([prefix + entity for entity in batch.column(ENTITY).to_pylist()], rows)
            done += len(rows)
            self.store.note(replace(state, building=replace(building, done=done)))
            self.progress.rows(done, staged.rows)

    def _flip(self, building: Building, staged: Staged) -> None:
        """Lets the rows take the place of those that are live."""
        live = Live(building.data, staged.rows, staged.event_time_ms, self._now())
        self.store.point(Pointer(building.data))
        self.store.note(State(live=live))

    def _tidy(self, data: int, *, replaced: bool) -> None:
        """Removes old rows, if there were any, when nobody reads them any more, and the staged file."""
        self.progress.stage("removing the old rows")
        if replaced:
            self.pause(self.grace_seconds)
        try:
            self.store.sweep(frozenset({data}))
        except HubError as error:
            self.progress.stage(f"old rows stay until the next run: {error}")
        for path in self._staged.glob(f"{self.declaration.view}.*.parquet"):
            path.unlink()

    @staticmethod
    def _now() -> int:
        return time.time_ns() // 1_000_000


def _batches_from(path: Path, done: int) -> Iterator[Any]:
    """Yields the rows of a file from a position on."""
    at = 0
    for batch in pq.ParquetFile(path).iter_batches(CHUNK_ROWS):
        if at + len(batch) > done:
            yield batch.slice(max(0, done - at))
        at += len(batch)
