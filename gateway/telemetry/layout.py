"""The sheet: one process's series in a file, which another process can read at any moment.

    header    magic, bytes of the index in use, then the identity: JSON, and zeros
    index     a record for each series: its length, then JSON: number of the family, first cell, labels
    cells     numbers, native doubles; counts are exact up to 2^53

A record counts once the header says so. Cells are written whole: a reader sees a number before or after a call.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import isnan
from struct import Struct
from typing import TYPE_CHECKING, Any

from gateway.telemetry.families import FAMILIES, FINGERPRINT, Family, Kind

MAGIC = b"gapura-t"
WORDS = Struct("=8sQ")
LENGTH = Struct("=I")
CELL_BYTES = 8
HEADER_BYTES = 4096
INDEX_BYTES = 2 * 1024 * 1024
CELLS_START = HEADER_BYTES + INDEX_BYTES
CELLS = 512 * 1024
FILE_BYTES = CELLS_START + CELLS * CELL_BYTES

if TYPE_CHECKING:
    Cells = memoryview[float]
else:
    Cells = memoryview

Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose sheet it is: that of one worker after the other, each of which goes on where the last one ended.

    Attributes:
        instance: `service.instance.id`.
        role: What its process does, such as `gateway`.
        number: Tells the sheets of a role apart, from 0.
        since_ns: When counting began, in nanoseconds since 1970.
    """

    instance: str
    role: str
    number: int
    since_ns: int


@dataclass(frozen=True, slots=True)
class Series:
    """One series: a family's numbers for some labels."""

    family: Family
    labels: Labels
    values: tuple[float, ...]


def write_header(identity: Identity) -> bytes:
    """Returns the header of a new sheet."""
    told: dict[str, Any] = {"format": FINGERPRINT, "instance": identity.instance, "role": identity.role}
    told |= {"number": identity.number, "since_ns": identity.since_ns}
    return (WORDS.pack(MAGIC, 0) + json.dumps(told).encode()).ljust(HEADER_BYTES, b"\0")


def read_identity(content: bytes) -> Identity | None:
    """Reads whose sheet it is; None if it is no sheet, or one of other families."""
    if len(content) < HEADER_BYTES or WORDS.unpack_from(content)[0] != MAGIC:
        return None
    try:
        told = json.loads(content[WORDS.size : HEADER_BYTES].rstrip(b"\0"))
        if told["format"] != FINGERPRINT:
            return None
        return Identity(str(told["instance"]), str(told["role"]), int(told["number"]), int(told["since_ns"]))
    except (ValueError, KeyError, TypeError):
        return None


def write_record(family: Family, first: int, labels: Labels) -> bytes:
    """Returns the record of a series."""
    record = json.dumps([FAMILIES.index(family), first, *labels]).encode()
    return LENGTH.pack(len(record)) + record


def read_records(content: bytes) -> Iterator[tuple[Family, int, Labels]]:
    """Yields family, first cell and labels of every series of a sheet."""
    at, end = HEADER_BYTES, HEADER_BYTES + min(WORDS.unpack_from(content)[1], INDEX_BYTES)
    while at + LENGTH.size <= end:
        start = at + LENGTH.size
        at = start + LENGTH.unpack_from(content, at)[0]
        number, first, *labels = json.loads(content[start:at])
        yield FAMILIES[number], first, tuple(labels)


def read_series(content: bytes) -> list[Series]:
    """Reads every series of a sheet as it is now."""
    return series_of(memoryview(content)[CELLS_START:].cast("d"), read_records(content))


def series_of(cells: Cells, records: Iterable[tuple[Family, int, Labels]]) -> list[Series]:
    """Reads the numbers of some series; gauges that are not numbers say nothing, and are left out."""
    found = (Series(family, labels, tuple(cells[at : at + family.cells])) for family, at, labels in records)
    return [series for series in found if series.family.kind is not Kind.GAUGE or not isnan(series.values[0])]
