"""Reads usage files, of processes that live or have ended."""

import fcntl
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from time import sleep
from typing import TypeVar

import structlog

from gateway.usage.layout import Counts, Key, read_records

NS = 1e9
TURN_ITEMS, REST_SECONDS = 64, 0.000_05

_NAME = re.compile(r"(?P<day>\d{4}-\d\d-\d\d)\.[A-Za-z0-9_-]+\.\d+-[0-9a-f]+\.usage")

log = structlog.get_logger(__name__)

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Charge:
    """What one process counted on one day for one tenant and model.

    Attributes:
        day: In UTC.
        source: Names the process and day: the stem of its file.
        tenant: Name of the tenant.
        model: Registered name.
        counts: Calls, rows, backend nanoseconds and feature hits.
    """

    day: date
    source: str
    tenant: str
    model: str
    counts: Counts

    @property
    def backend_seconds(self) -> float:
        """Time of backends."""
        return self.counts.backend_ns / NS


@dataclass(frozen=True, slots=True)
class UsageFile:
    """A file of the folder; its name says whose it is."""

    path: Path
    day: date

    @property
    def source(self) -> str:
        """Names the process and day."""
        return self.path.stem

    def is_finished(self) -> bool:
        """Says whether nobody will write to it any more; ask before reading it."""
        try:
            with self.path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


class UsageFolder:
    """The files of one machine.

    Args:
        folder: Where they are; it may be missing.
        unhurried: Whether another thread of this process answers calls meanwhile.
    """

    def __init__(self, folder: Path, *, unhurried: bool = False) -> None:
        self._folder = folder
        self._unhurried = unhurried
        self._warned: set[tuple[str, str]] = set()

    def files(self, first: date = date.min, last: date = date.max) -> list[UsageFile]:
        """Returns the files of some days, oldest first.

        Raises:
            OSError: The folder cannot be read.
        """
        try:
            names = sorted(path.name for path in self._folder.iterdir())
        except FileNotFoundError:
            return []
        found = [(name, day_of(name)) for name in names]
        return [UsageFile(self._folder / name, day) for name, day in found if day is not None and first <= day <= last]

    def read(self, file: UsageFile) -> dict[Key, Counts]:
        """Reads a file; what is damaged in it is left out, with a warning. One that was just removed has nothing.

        Raises:
            OSError: It cannot be read.
        """
        try:
            content = file.path.read_bytes()
        except FileNotFoundError:
            return {}
        counts: dict[Key, Counts] = {}
        records = read_records(content, lambda problem: self._warn(file, problem))
        for key, count in rest_between(records) if self._unhurried else records:
            counts[key] = counts[key].plus(count) if key in counts else count
        return counts

    def charges(self, first: date = date.min, last: date = date.max) -> Iterator[Charge]:
        """Yields what was used on some days; a file that cannot be read is left out, with a warning.

        Raises:
            OSError: The folder cannot be read.
        """
        for file in self.files(first, last):
            try:
                found = self.read(file)
            except OSError as error:
                self._warn(file, error.strerror or repr(error))
                continue
            for (tenant, model), counts in found.items():
                yield Charge(file.day, file.source, tenant, model, counts)

    def _warn(self, file: UsageFile, problem: str) -> None:
        """Warns once of each problem."""
        if (file.source, problem) not in self._warned:
            self._warned.add((file.source, problem))
            log.warning("usage file is not read whole", file=str(file.path), reason=problem)


def day_of(name: str) -> date | None:
    """Returns the day of a usage file; None if another kind of file has that name."""
    found = _NAME.fullmatch(name)
    try:
        return date.fromisoformat(found["day"]) if found else None
    except ValueError:
        return None


def team_of(model: str) -> str:
    """Returns the team that a model belongs to: `team3` of `team3_credit_scoring`."""
    return model.partition("_")[0]


def rest_between(items: Iterable[Item]) -> Iterator[Item]:
    """Yields items and rests now and then, so that the thread that answers calls gets Python's lock.

    It would have to wait 5 ms for a thread that never rests, each time it had let go of the lock.
    """
    for number, item in enumerate(items, 1):
        yield item
        if not number % TURN_ITEMS:
            sleep(REST_SECONDS)
