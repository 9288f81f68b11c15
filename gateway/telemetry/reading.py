"""Reads the sheets of all processes of a machine, of those that ended too, and adds them up.

Sheets are read and not mapped: a process may renew its own at any moment, which would end whoever has it mapped.
"""

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from math import isnan
from pathlib import Path
from time import time

import numpy as np
import structlog
from numpy.typing import NDArray

from gateway.telemetry.families import FAMILIES, HEARTBEAT, Family, Kind
from gateway.telemetry.layout import (
    CELL_BYTES,
    CELLS_START,
    HEADER_BYTES,
    WORDS,
    Identity,
    Labels,
    read_identity,
    read_records,
)
from gateway.telemetry.sheet import SUFFIX

SILENT_SECONDS = 10.0

Numbers = NDArray[np.float64]
Places = Mapping[str, Mapping[Labels, int]]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What all processes had counted at one moment.

    Later snapshots of the same folder have the same series in the same places, and perhaps more behind them.

    Attributes:
        taken: When, in seconds since 1970.
        places: First number of each series of counters and histograms, by the family's name and the labels.
        values: Numbers of all series: of a histogram its sum, then each bucket's count.
        gauges: Of processes that are not silent, by the family's name; the last label is the process.
    """

    taken: float
    places: Places
    values: Numbers
    gauges: Mapping[str, Mapping[Labels, float]]

    def numbers(self, family: Family, *labels: str) -> Numbers:
        """Returns the numbers of a series; zeros if there is none."""
        first = self.places.get(family.name, {}).get(labels)
        if first is None or first + family.cells > len(self.values):
            return np.zeros(family.cells)
        return self.values[first : first + family.cells]


@dataclass(slots=True)
class SheetFile:
    """A sheet of another process.

    Attributes:
        descriptor: Of the file.
        header: As it was last read.
        identity: Whose it is.
        used: Bytes of its index that are known.
        series: How many series it has.
        ends: Where the cells in use end.
        sources: Cells of counters and histograms.
        targets: Where each of them is added.
        gauges: Family, cell and labels of gauges.
    """

    descriptor: int
    header: bytes = b""
    identity: Identity | None = None
    used: int = 0
    series: int = 0
    ends: int = 0
    sources: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, np.intp))
    targets: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, np.intp))
    gauges: list[tuple[Family, int, Labels]] = field(default_factory=list)

    @property
    def worker(self) -> str:
        """Name of its process."""
        return f"{self.identity.role}-{self.identity.number}" if self.identity else ""

    def new_records(self) -> list[tuple[Family, int, Labels]]:
        """Reads the header, and returns the series that were not known; all of them if the sheet was renewed.

        Raises:
            OSError: It cannot be read.
            ValueError: It is no sheet, or a damaged one.
        """
        header = os.pread(self.descriptor, HEADER_BYTES, 0)
        if len(header) < HEADER_BYTES:
            raise ValueError("it is shorter than its header")
        if header[WORDS.size :] != self.header[WORDS.size :]:
            identity = read_identity(header)
            if identity is None:
                raise ValueError("no sheet of this release")
            self.forget()
            self.header, self.identity = header, identity
        used = WORDS.unpack_from(header)[1]
        if used == self.used:
            return []
        try:
            records = list(read_records(os.pread(self.descriptor, HEADER_BYTES + used, 0)))[self.series :]
        except (IndexError, TypeError, KeyError) as error:
            raise ValueError("its index is damaged") from error
        self.used = used
        self.series += len(records)
        return records

    def forget(self) -> None:
        """Forgets what was known of another sheet in the same file."""
        self.used = self.series = self.ends = 0
        self.sources = self.targets = np.zeros(0, np.intp)
        self.gauges.clear()

    def cells(self) -> Numbers:
        """Returns the numbers of now.

        Raises:
            OSError: They cannot be read.
            ValueError: The file is too short.
        """
        content = os.pread(self.descriptor, self.ends * CELL_BYTES, CELLS_START)
        if len(content) < self.ends * CELL_BYTES:
            raise ValueError("it is shorter than its index says")
        return np.frombuffer(content)


class SheetReader:
    """Adds up the sheets of a folder; what is known of each is kept from look to look. One thread at a time asks.

    Args:
        folder: Telemetry folder; it may be missing.
        families: What is read of them.
    """

    def __init__(self, folder: Path, families: Collection[Family] = FAMILIES) -> None:
        self._folder = folder
        self._families = frozenset(families)
        self._files: dict[tuple[str, int], SheetFile] = {}
        self._places: Places = {family.name: {} for family in families if family.kind is not Kind.GAUGE}
        self._next = 0
        self._warned: set[str] = set()

    def take(self, now: float | None = None) -> Snapshot:
        """Returns the sums of now, a time in seconds since 1970."""
        taken = time() if now is None else now
        self._find()
        read = list(self._read_all())
        values = np.zeros(self._next)
        gauges: dict[str, dict[Labels, float]] = {}
        for file, cells in read:
            values[file.targets] += cells[file.sources]
            for name, labels, value in gauges_of(file, cells, taken):
                gauges.setdefault(name, {})[labels] = value
        return Snapshot(taken, self._places, values, gauges)

    def close(self) -> None:
        """Lets go of the files."""
        for file in self._files.values():
            os.close(file.descriptor)
        self._files.clear()

    def _find(self) -> None:
        """Opens sheets that are new, and lets go of those that are not there any more."""
        try:
            with os.scandir(self._folder) as entries:
                found = {(entry.name, entry.inode()) for entry in entries if entry.name.endswith(SUFFIX)}
        except OSError:
            found = set()
        for key in self._files.keys() - found:
            os.close(self._files.pop(key).descriptor)
        for key in sorted(found - self._files.keys()):
            try:
                descriptor = os.open(self._folder / key[0], os.O_RDONLY | os.O_CLOEXEC)
            except OSError as error:
                self._warn(key[0], error.strerror or repr(error))
            else:
                self._files[key] = SheetFile(descriptor)

    def _read_all(self) -> Iterator[tuple[SheetFile, Numbers]]:
        """Yields each sheet that can be read, with its numbers."""
        for (name, _), file in self._files.items():
            try:
                records = file.new_records()
                if records:
                    self._learn(file, records)
                cells = file.cells()
            except (OSError, ValueError) as error:
                self._warn(name, str(error))
                continue
            yield file, cells

    def _learn(self, file: SheetFile, records: list[tuple[Family, int, Labels]]) -> None:
        """Gives each series its place among the sums; snapshots that were taken keep their own view."""
        places = {name: dict(known) for name, known in self._places.items()}
        sources, targets = [file.sources], [file.targets]
        for family, first, labels in records:
            if family not in self._families:
                continue
            file.ends = max(file.ends, first + family.cells)
            if family.kind is Kind.GAUGE:
                file.gauges.append((family, first, labels))
                continue
            target = places[family.name].setdefault(labels, self._next)
            if target == self._next:
                self._next += family.cells
            sources.append(np.arange(first, first + family.cells))
            targets.append(np.arange(target, target + family.cells))
        file.sources, file.targets = np.concatenate(sources), np.concatenate(targets)
        self._places = places

    def _warn(self, name: str, problem: str) -> None:
        """Warns once of each sheet."""
        if name not in self._warned:
            self._warned.add(name)
            log.warning("a sheet is not read", file=name, reason=problem)


def gauges_of(file: SheetFile, cells: Numbers, now: float) -> Iterator[tuple[str, Labels, float]]:
    """Yields name, labels and value of each gauge that says something, if its process told of itself a moment ago."""
    beat = next((cells[first] for family, first, _ in file.gauges if family.name == HEARTBEAT.name), 0.0)
    if not now - beat <= SILENT_SECONDS:  # it may be no number
        return
    for family, first, labels in file.gauges:
        value = float(cells[first])
        if not isnan(value):
            yield family.name, (*labels, file.worker), value
