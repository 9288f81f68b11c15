"""Joins labels with the features that a call at their time would have used: `gapura features training-set`.

For each label the row with the latest event time at or before it is taken, of the source and of kept pushes, by
DuckDB's ASOF JOIN. What is too old for the view is degraded as serving does it, and nulls get the defaults, so that
training and serving see the same values. Nothing that was true only after the label is ever looked at.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gapura_features import Column, FeatureType

from hub.durability import move
from hub.errors import HubError
from hub.features.casting import SQL_TYPES, family, quoted, takes_entity, takes_time, text_of, time_ms
from hub.features.declaration import Declaration
from hub.features.kept import KeptPushes
from hub.features.sources import ENTITY, ORDER, RANK, TIME, Table, opened, typed_rows

_MOMENT, _ROW = "@label_time_ms", "@label_row"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Features to join.

    Attributes:
        declaration: Declares the view.
        table: Its source.
        kept: Its kept pushes.
        columns: Names of the columns that are wanted; all where there are none.
        labelled_by: Column of the labels that holds the ids.
    """

    declaration: Declaration
    table: Table
    kept: KeptPushes
    columns: tuple[str, ...]
    labelled_by: str

    @property
    def chosen(self) -> list[Column]:
        """The columns that are wanted.

        Raises:
            HubError: The view has no such column.
        """
        known = {column.name: column.column for column in self.declaration.columns}
        unknown = [name for name in self.columns if name not in known]
        if unknown:
            raise HubError(f"{self.declaration.view} has no column {', '.join(unknown)}; it has {', '.join(known)}")
        return [known[name] for name in self.columns or known]

    @property
    def status(self) -> str:
        """Name of the column that says how good the features are."""
        return f"{self.declaration.view}_status"


def write_training_set(labels: Path, wanted: Sequence[Wanted], output: Path, event_time: str = "event_time") -> int:
    """Writes the labels, in their order, with a column for every feature and a status for every view.

    Args:
        labels: A file of Parquet or CSV.
        wanted: The features.
        output: File of Parquet that is written, whole or not at all.
        event_time: Column of the labels that says when a call would have been.

    Returns:
        The number of rows.

    Raises:
        HubError: Files cannot be read, columns are missing or would be there twice, or a value does not fit.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary = output.with_name(f".{output.name}.new")
    with opened(output.parent) as database:
        database.execute("SET preserve_insertion_order = true")  # of the labels
        relation = _read_labels(labels)
        found = database.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()  # noqa: S608 - names are quoted
        types = {name: type_ for name, type_, *_ in found}
        _require_labels(labels, types, wanted, event_time)
        relation = _read_labels(labels, {each.labelled_by for each in wanted})
        moment = time_ms(types[event_time], event_time, "floor")
        database.execute(
            f"CREATE TEMP TABLE labels AS SELECT *, {moment} AS {quoted(_MOMENT)}, "  # noqa: S608 - names are quoted
            f"row_number() OVER () AS {quoted(_ROW)} FROM {relation}"
        )
        _require_moments(database, labels, event_time)
        parts = [_join(database, index, each) for index, each in enumerate(wanted)]
        columns = ", ".join(["labels.* EXCLUDE (" + f"{quoted(_MOMENT)}, {quoted(_ROW)})", *parts])
        joins = " ".join(f"JOIN joined_{index} USING ({quoted(_ROW)})" for index in range(len(wanted)))
        query = f"SELECT {columns} FROM labels {joins} ORDER BY {quoted(_ROW)}"  # noqa: S608 - names are quoted
        database.execute(f"COPY ({query}) TO {text_of(str(temporary))} (FORMAT parquet)")
        count = database.execute("SELECT count(*) FROM labels").fetchone()
    move(temporary, output)
    return int(count[0])


def _join(database: Any, index: int, wanted: Wanted) -> str:
    """Finds the rows of one view; returns the columns to select."""
    rows, pushed = typed_rows(database, wanted.declaration, wanted.table), wanted.kept.sql()
    rows = f"{rows} UNION ALL {pushed}" if pushed else rows
    entity, time, row = quoted(ENTITY), quoted(TIME), quoted(_ROW)
    order = f"{quoted(RANK)} DESC, {quoted(ORDER)} DESC"
    names = [quoted(column.name) for column in wanted.declaration.columns]
    distinct = (
        f"SELECT {entity}, {time}, {', '.join(names)} FROM ({rows}) "  # noqa: S608 - names are quoted
        f"QUALIFY row_number() OVER (PARTITION BY {entity}, {time} ORDER BY {order}) = 1"
    )
    database.execute(
        f"CREATE TEMP TABLE joined_{index} AS SELECT labels.{row}, {_columns(wanted)} "  # noqa: S608 - names are quoted
        f"FROM labels ASOF LEFT JOIN ({distinct}) rows "
        f"ON labels.{quoted(wanted.labelled_by)}::VARCHAR = rows.{entity} AND labels.{quoted(_MOMENT)} >= rows.{time}"
    )
    chosen = [f"joined_{index}.{quoted(column.name)}" for column in wanted.chosen]
    return ", ".join([*chosen, f"joined_{index}.{quoted(wanted.status)}"])


def _columns(wanted: Wanted) -> str:
    """Returns SQL for what serving would have used of a row, and how good that is."""
    message, time = wanted.declaration.message(), quoted(TIME)
    age = f"(labels.{quoted(_MOMENT)} - rows.{time})"
    fresh = f"(rows.{time} IS NOT NULL AND {age} <= {message.freshness_ms})"
    longest = max(message.stale_ms, message.freshness_ms)
    stale = wanted.declaration.degrade.rule == "stale"
    used = f"(rows.{time} IS NOT NULL AND {age} <= {longest})" if stale else fresh
    refuses = wanted.declaration.degrade.rule == "refuse"
    columns = []
    for column in wanted.chosen:
        name, default = f"rows.{quoted(column.name)}", _literal(column)
        otherwise = f"NULL::{SQL_TYPES[column.type]}" if refuses else default
        columns.append(
            f"CASE WHEN {used} THEN coalesce({name}, {default}) ELSE {otherwise} END AS {quoted(column.name)}"
        )
    defaulted = [
        f"rows.{quoted(column.name)} IS NULL"
        for column in wanted.declaration.row_schema.columns
        if column.default is not None
    ]
    status = (
        f"CASE WHEN NOT {used} THEN '{'refused' if refuses else 'default'}' "
        f"WHEN {' OR '.join(defaulted) or 'false'} THEN 'default' WHEN {fresh} THEN 'fresh' ELSE 'stale' END"
    )
    return ", ".join([*columns, f"{status} AS {quoted(wanted.status)}"])


def _literal(column: Column) -> str:
    """Returns the default of a column as SQL has it."""
    value = column.default
    if value is None:
        return f"NULL::{SQL_TYPES[column.type]}"
    if isinstance(value, bytes):
        return f"from_hex('{value.hex()}')"
    if isinstance(value, bool):
        return str(value).lower()
    written = text_of(value if isinstance(value, str) else repr(value))
    return f"CAST({written} AS {SQL_TYPES[column.type]})" if column.type is not FeatureType.STRING else written


def _read_labels(labels: Path, ids: Collection[str] = ()) -> str:
    """Returns SQL for the labels; ids in CSV are texts, whatever they look like: `007` is not `7`."""
    if not labels.is_file():
        raise HubError(f"{labels}: there is no such file")
    if labels.suffix.lower() != ".csv":
        return f"read_parquet({text_of(str(labels))})"
    types = ", ".join(f"{text_of(name)}: 'VARCHAR'" for name in sorted(ids))
    return f"read_csv({text_of(str(labels))}{f', types = {{{types}}}' if ids else ''})"


def _require_labels(labels: Path, types: Mapping[str, str], wanted: Sequence[Wanted], event_time: str) -> None:
    """Makes sure that labels have what is joined on, and that no column would be there twice."""
    for name in [event_time, *(each.labelled_by for each in wanted)]:
        if name not in types:
            raise HubError(
                f"{labels} has no column '{name}': name the right one with --event-time or --entity KIND=COLUMN"
            )
    if not takes_time(types[event_time]) and family(types[event_time]) != "VARCHAR":
        raise HubError(f"{labels}: column '{event_time}' is {family(types[event_time])}, which is no time")
    for each in wanted:
        if not takes_entity(types[each.labelled_by]):
            raise HubError(
                f"{labels}: column '{each.labelled_by}' is {types[each.labelled_by]}; ids are texts or integers"
            )
    names = [*types, *(name for each in wanted for name in (*(column.name for column in each.chosen), each.status))]
    folded = [name.casefold() for name in names]
    twice = sorted({name for name in names if folded.count(name.casefold()) > 1})
    if twice:
        raise HubError(
            f"the training set would have {', '.join(twice)} twice: choose columns with --features VIEW:COLUMN,..."
        )


def _require_moments(database: Any, labels: Path, event_time: str) -> None:
    found = database.execute(f"SELECT min({quoted(_ROW)}) FROM labels WHERE {quoted(_MOMENT)} IS NULL").fetchone()  # noqa: S608 - names are quoted
    if found[0] is not None:
        raise HubError(f"{labels}: row {found[0]} has no {event_time}")
