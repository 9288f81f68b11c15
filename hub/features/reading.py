"""Brings the source of a view into files of Parquet: files are taken as they are, queries and Feast are read once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Result
from sqlalchemy.exc import SQLAlchemyError

from hub.durability import move
from hub.errors import HubError
from hub.features.declaration import Declaration, FeastSource, SqlSource
from hub.features.feast import FeastReader
from hub.features.packing import ARROW_TYPES
from hub.features.sources import ENTITY, TIME, Table, files_of, filled_in

_BATCH = 20_000


def files(declaration: Declaration, override: str | None = None) -> Table | None:
    """Returns the files of a source; None where it has to be read from elsewhere.

    Args:
        declaration: Declares the source.
        override: Files to read in place of the declared source.

    Raises:
        HubError: There are none.
    """
    source = declaration.source
    pattern = override or source.parquet
    if pattern is None:
        return None
    return Table(files_of(pattern), source.entity or "entity_id", source.event_time or "event_time")


def read_source(declaration: Declaration, path: Path) -> None:
    """Reads a source that is no file into one, whole or not at all, without holding all rows in memory.

    Raises:
        HubError: It cannot be read.
    """
    source = declaration.source
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    if source.sql is not None:
        hints = {column.source_name: ARROW_TYPES[column.type] for column in declaration.columns}
        _read_sql(source.sql, hints, temporary)
    elif source.feast is not None:
        _read_feast(declaration, source.feast, temporary)
    move(temporary, path)


def table_of(declaration: Declaration, path: Path) -> Table:
    """Returns the file that `read_source` wrote."""
    if declaration.source.sql is not None:
        return Table((path,), str(declaration.source.entity), str(declaration.source.event_time))
    return Table((path,), ENTITY, TIME, renamed=True)


def _read_sql(source: SqlSource, hints: dict[str, Any], path: Path) -> None:
    """Streams the rows of a query."""
    try:
        engine = create_engine(filled_in(source.url), execution_options={"stream_results": True})
        with engine.connect() as connection:
            result = connection.execution_options(yield_per=_BATCH).execute(text(filled_in(source.query)))
            _write(_batches(result, hints), path)
    except SQLAlchemyError as error:
        raise HubError(f"the query of the source fails: {_first_line(error)}") from None
    except ModuleNotFoundError as error:
        raise HubError(f"the source needs a driver that is not installed: pip install {error.name}") from error


def _batches(result: Result[Any], hints: dict[str, Any]) -> Iterator[pa.Table]:
    """Yields rows of a query as tables; a column has the type of its first values, or its hint while it has none."""
    names = list(result.keys())
    schema: pa.Schema | None = None
    for rows in result.partitions(_BATCH):
        columns = [list(values) for values in zip(*rows, strict=True)]
        try:
            arrays = [
                pa.array(values, schema.field(index).type if schema is not None else None)
                for index, values in enumerate(columns)
            ]
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
            raise HubError(
                f"the query gives values of several types in one column: {error}; cast them in it"
            ) from error
        table = pa.table(dict(zip(names, arrays, strict=True)))
        if schema is None:
            schema = _settle_types(table.schema, hints)
        yield table.cast(schema)


def _settle_types(schema: pa.Schema, hints: dict[str, Any]) -> pa.Schema:
    """Gives columns of which only nulls are known their declared type; numbers of fixed digits become doubles."""
    fields = []
    for field in schema:
        if pa.types.is_null(field.type):
            fields.append(field.with_type(hints.get(field.name, pa.string())))
        else:
            fields.append(field.with_type(pa.float64()) if pa.types.is_decimal(field.type) else field)
    return pa.schema(fields)


def _read_feast(declaration: Declaration, source: FeastSource, path: Path) -> None:
    """Writes what Feast has stored, under the names of the declaration."""
    wanted = {column.source_name: column for column in declaration.columns}
    reader = FeastReader(filled_in(source.url), source.project, source.view, list(wanted))
    types = [ARROW_TYPES[column.type] for column in declaration.columns]
    schema = pa.schema([(ENTITY, pa.string()), (TIME, pa.int64())])
    for column, type_ in zip(declaration.columns, types, strict=True):
        schema = schema.append(pa.field(column.name, type_))

    def tables() -> Iterator[pa.Table]:
        for rows in reader.batches(declaration.source.entity):
            arrays = [pa.array([row.entity for row in rows]), pa.array([row.event_time_ms for row in rows], pa.int64())]
            for index, (column, type_) in enumerate(zip(declaration.columns, types, strict=True)):
                try:
                    arrays.append(pa.array([row.values[index] for row in rows], type_))
                except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
                    raise HubError(f"{declaration.view}: column '{column.name}' of Feast's rows: {error}") from error
            yield pa.table(arrays, schema=schema)

    _write(tables(), path, schema)


def _write(tables: Iterator[pa.Table], path: Path, schema: pa.Schema | None = None) -> None:
    writer = None
    try:
        for table in tables:
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
        if writer is None and schema is not None:
            writer = pq.ParquetWriter(path, schema)
    finally:
        if writer is not None:
            writer.close()
    if writer is None:
        raise HubError("the source has no rows: nothing has changed")


def _first_line(error: Exception) -> str:
    """Returns an error of SQLAlchemy without the statement and its link; a URL is never in it."""
    return str(getattr(error, "orig", None) or error).splitlines()[0]
