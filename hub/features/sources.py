"""Reads the source of a view with DuckDB: all rows, as the declared types, with what was pushed and is kept."""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Any

import duckdb

from hub.errors import HubError
from hub.features.casting import (
    cast,
    entity_misfit,
    misfit,
    quoted,
    takes,
    takes_entity,
    takes_time,
    text_of,
    time_ms,
)
from hub.features.declaration import Declaration

# Columns beside the declared ones, in names that those cannot have.
ENTITY, TIME, RANK, ORDER = "@entity", "@event_time_ms", "@rank", "@order"

_MEMORY = "400MB"
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Table:
    """Files of Parquet with the rows of a source.

    Attributes:
        paths: The files.
        entity: Column of the ids.
        event_time: Column of the times.
        renamed: Whether columns have the names of the declaration already.
    """

    paths: tuple[Path, ...]
    entity: str
    event_time: str
    renamed: bool = False

    def fingerprint(self) -> list[tuple[str, int, int]]:
        """Tells these files from others, and from the same with another content."""
        found = [(path, path.stat()) for path in self.paths]
        return [(str(path.absolute()), status.st_size, status.st_mtime_ns) for path, status in found]


@contextmanager
def opened(folder: Path) -> Iterator[Any]:
    """Opens a database in memory that needs no more than 400 MB, and goes on in a folder beyond.

    Raises:
        HubError: What is asked of it cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {
        "memory_limit": _MEMORY,
        "temp_directory": str(folder / ".spilled"),
        "preserve_insertion_order": False,
    }
    try:
        with duckdb.connect(config=options) as database:
            database.execute("SET TimeZone = 'UTC'")
            yield database
    except duckdb.Error as error:
        raise HubError(f"the rows cannot be read: {error}") from error


def files_of(pattern: str) -> tuple[Path, ...]:
    """Returns the files that a path or a pattern names.

    Raises:
        HubError: There is none.
    """
    found = tuple(Path(path) for path in sorted(glob(pattern, recursive=True)))  # noqa: PTH207 - absolute patterns too
    if not found:
        raise HubError(f"{pattern}: there is no such file")
    return found


def filled_in(text: str) -> str:
    """Fills in environment variables, `${NAME}`.

    Raises:
        HubError: One is not set.
    """

    def find(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise HubError(f"the source needs the environment variable {match[1]}, which is not set")
        return os.environ[match[1]]

    return re.sub(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", find, text)


def fingerprint(declaration: Declaration, told: object) -> str:
    """Tells a materialisation from one of another source, or as other columns."""
    columns = [(column.name, column.type.name, column.source_name) for column in declaration.columns]
    return hashlib.sha256(json.dumps([declaration.source.model_dump(mode="json"), columns, told]).encode()).hexdigest()


def typed_rows(database: Any, declaration: Declaration, table: Table) -> str:
    """Returns SQL for the rows of a source as the declared types, in declared order behind ENTITY and TIME.

    RANK and ORDER, which are larger for a row that wins over another of the same entity and time, come last.

    Raises:
        HubError: A column is missing or of another type, or a value does not fit; the message names one.
    """
    relation = f"read_parquet([{', '.join(text_of(str(path)) for path in table.paths)}], filename = true, "
    relation += "file_row_number = true, union_by_name = true)"
    found = database.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()  # noqa: S608 - names are quoted
    types: dict[str, str] = {name: sql_type for name, sql_type, *_ in found}
    origins = {each.name: each.name if table.renamed else each.source_name for each in declaration.columns}
    _require_columns(declaration, table, types, origins)
    _require_fit(database, declaration, table, types, origins, relation)
    columns = [f"{cast(each.type, origins[each.name])} AS {quoted(each.name)}" for each in declaration.columns]
    return (
        f"SELECT {quoted(table.entity)}::VARCHAR AS {quoted(ENTITY)}, "  # noqa: S608 - names are quoted
        f"{time_ms(types[table.event_time], table.event_time)} AS {quoted(TIME)}, {', '.join(columns)}, "
        f"filename AS {quoted(RANK)}, file_row_number AS {quoted(ORDER)} FROM {relation}"
    )


def latest(rows: str) -> str:
    """Returns SQL for the latest row of each entity."""
    entity, order = quoted(ENTITY), ", ".join(f"{quoted(each)} DESC" for each in (TIME, RANK, ORDER))
    left_out = f"{quoted(RANK)}, {quoted(ORDER)}"
    return (
        f"SELECT * EXCLUDE ({left_out}) FROM ({rows}) "  # noqa: S608 - names are quoted
        f"QUALIFY row_number() OVER (PARTITION BY {entity} ORDER BY {order}) = 1"
    )


def _require_columns(declaration: Declaration, table: Table, types: dict[str, str], origins: dict[str, str]) -> None:
    """Makes sure that the source has what is declared, of types that can hold it."""
    missing = [name for name in (table.entity, table.event_time, *origins.values()) if name not in types]
    if missing:
        raise HubError(
            f"{declaration.view}: the source has no column {', '.join(map(repr, missing[:_SHOWN]))}; it has "
            f"{', '.join(sorted(types.keys() - {'filename', 'file_row_number'}))}: name the right ones with `from`"
        )
    if not takes_entity(types[table.entity]):
        raise HubError(
            f"{declaration.view}: column '{table.entity}' is {types[table.entity]}; ids are texts or integers"
        )
    if not takes_time(types[table.event_time]):
        raise HubError(
            f"{declaration.view}: column '{table.event_time}' is {types[table.event_time]}; an event time is a "
            "timestamp, a date, or an integer of milliseconds since 1970"
        )
    for column in declaration.columns:
        sql_type = types[origins[column.name]]
        if not takes(column.type, sql_type):
            raise HubError(
                f"{declaration.view}: column '{origins[column.name]}' of the source is {sql_type}, which cannot be "
                f"{column.type.name.lower()}: declare another type, or convert it in the source"
            )


def _require_fit(  # noqa: PLR0913, PLR0917 - what a source consists of
    database: Any,
    declaration: Declaration,
    table: Table,
    types: dict[str, str],
    origins: dict[str, str],
    relation: str,
) -> None:
    """Makes sure that every value fits; one that does not is named with its entity and column."""
    conditions = {table.entity: entity_misfit(table.entity)}
    conditions[table.event_time] = f"{time_ms(types[table.event_time], table.event_time)} IS NULL"
    needs = {table.entity: "an id of 1 to 512 bytes", table.event_time: "an event time"}
    for column in declaration.columns:
        condition = misfit(column.type, types[origins[column.name]], origins[column.name])
        if condition:
            conditions[origins[column.name]] = condition
            needs[origins[column.name]] = f"{column.type.name.lower()}, as which the view declares it"
    flags = ", ".join(f"coalesce({condition}, false)" for condition in conditions.values())
    shown = ", ".join(f"left({quoted(name)}::VARCHAR, 80)" for name in conditions)
    row = database.execute(
        f"SELECT [{flags}], [{shown}] FROM {relation} "  # noqa: S608 - names are quoted
        f"WHERE {' OR '.join(conditions.values())} LIMIT 1"
    ).fetchone()
    if row is not None:
        at = row[0].index(True)
        name = list(conditions)[at]
        raise HubError(
            f"{declaration.view}: entity {row[1][0]!r}: column '{name}': {row[1][at]!r} is not {needs[name]}; nothing "
            "has changed"
        )
