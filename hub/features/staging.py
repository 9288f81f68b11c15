"""Makes the file of rows that a materialisation writes: the latest row of each entity, of source and kept pushes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from hub.durability import move
from hub.features.casting import quoted, text_of
from hub.features.declaration import Declaration
from hub.features.kept import KeptPushes
from hub.features.sources import TIME, Table, latest, opened, typed_rows

_ROW_GROUP = 20_000


@dataclass(frozen=True, slots=True)
class Staged:
    """A file of rows.

    Attributes:
        path: The file.
        rows: How many there are.
        event_time_ms: The latest event time; 0 where there are no rows.
    """

    path: Path
    rows: int
    event_time_ms: int


def stage(declaration: Declaration, table: Table, kept: KeptPushes, path: Path) -> None:
    """Writes the file, whole or not at all.

    Raises:
        HubError: The source cannot be read, or a value does not fit.
    """
    temporary = path.with_name(f".{path.name}.new")
    with opened(path.parent) as database:
        rows = typed_rows(database, declaration, table)
        pushed = kept.sql()
        query = latest(f"{rows} UNION ALL {pushed}" if pushed else rows)
        options = f"FORMAT parquet, ROW_GROUP_SIZE {_ROW_GROUP}"
        database.execute(f"COPY ({query}) TO {text_of(str(temporary))} ({options})")
    move(temporary, path)


def look_at(path: Path) -> Staged:
    """Reads how many rows a file has, and how fresh they are."""
    rows = pq.ParquetFile(path).metadata.num_rows
    with opened(path.parent) as database:
        found: Any = database.execute(
            f"SELECT max({quoted(TIME)}) FROM read_parquet({text_of(str(path))})"  # noqa: S608 - names are quoted
        ).fetchone()
    return Staged(path, rows, found[0] or 0)
