"""Casts columns of a source to declared types in SQL, and says what does not fit."""

from gapura_features import FeatureType
from gapura_features.keys import MOST_ENTITY_BYTES
from gapura_features.schema import MOST_TEXT_BYTES

SQL_TYPES = {
    FeatureType.FLOAT32: "FLOAT",
    FeatureType.FLOAT64: "DOUBLE",
    FeatureType.INT32: "INTEGER",
    FeatureType.INT64: "BIGINT",
    FeatureType.BOOL: "BOOLEAN",
    FeatureType.STRING: "VARCHAR",
    FeatureType.BYTES: "BLOB",
}

_INTEGERS = frozenset(
    f"{sign}{size}INT" if size != "INTEGER" else f"{sign}INTEGER"
    for sign in ("", "U")
    for size in ("TINY", "SMALL", "INTEGER", "BIG", "HUGE")
)
_FRACTIONS = frozenset({"FLOAT", "DOUBLE", "DECIMAL"})
_TEXTS = frozenset({"VARCHAR", "ENUM", "UUID"})
_TIMES = frozenset({"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE", "DATE"})
_ACCEPTED = {
    FeatureType.FLOAT32: _INTEGERS | _FRACTIONS,
    FeatureType.FLOAT64: _INTEGERS | _FRACTIONS,
    FeatureType.INT32: _INTEGERS | _FRACTIONS,
    FeatureType.INT64: _INTEGERS | _FRACTIONS,
    FeatureType.BOOL: frozenset({"BOOLEAN"}),
    FeatureType.STRING: _TEXTS,
    FeatureType.BYTES: frozenset({"BLOB"}),
}

EARLIEST_MS, LATEST_MS = -(2**53), 2**53


def quoted(name: str) -> str:
    """Returns a name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def text_of(content: str) -> str:
    """Returns a text as SQL has it."""
    return "'" + content.replace("'", "''") + "'"


def family(sql_type: str) -> str:
    """Returns a type without its parameters: `DECIMAL(9,2)` is a DECIMAL."""
    return sql_type.partition("(")[0].strip().upper()


def takes(type_: FeatureType, sql_type: str) -> bool:
    """Says whether values of a type of SQL can be values of a declared type."""
    return family(sql_type) in _ACCEPTED[type_] or sql_type == '"NULL"'


def cast(type_: FeatureType, name: str) -> str:
    """Returns a column of the source as the declared type; null where it does not fit."""
    return f"TRY_CAST({quoted(name)} AS {SQL_TYPES[type_]})"


def misfit(type_: FeatureType, sql_type: str, name: str) -> str:
    """Returns a condition that is true of values that do not fit; empty where all do."""
    column, source = quoted(name), family(sql_type)
    if type_ is FeatureType.STRING:
        return f"strlen({column}::VARCHAR) > {MOST_TEXT_BYTES}"
    if type_ is FeatureType.BYTES:
        return f"octet_length({column}) > {MOST_TEXT_BYTES}"
    if source == SQL_TYPES[type_] or type_ in {FeatureType.FLOAT64, FeatureType.BOOL}:
        return ""
    lost = f"({column} IS NOT NULL AND {cast(type_, name)} IS NULL)"
    if type_ is FeatureType.FLOAT32 and source in _FRACTIONS:
        # Above the largest float32 some values round down to it, which declared values may not.
        return f"({lost} OR (abs({column}) > 3.4028234663852886e38::DOUBLE AND NOT isinf({column}::DOUBLE)))"
    if type_ is not FeatureType.FLOAT32 and source in _FRACTIONS:
        return f"({lost} OR {column} <> trunc({column}))"
    return lost


def takes_entity(sql_type: str) -> bool:
    """Says whether a column can hold ids of entities."""
    return family(sql_type) in _TEXTS | _INTEGERS


def entity_misfit(name: str) -> str:
    """Returns a condition that is true of ids that are none."""
    column = f"{quoted(name)}::VARCHAR"
    return f"({column} IS NULL OR strlen({column}) NOT BETWEEN 1 AND {MOST_ENTITY_BYTES})"


def takes_time(sql_type: str) -> bool:
    """Says whether a column can say when something was."""
    return family(sql_type) in _TIMES | _INTEGERS


def time_ms(sql_type: str, name: str, rounding: str = "ceil") -> str:
    """Returns a time in milliseconds since 1970; null where it is none.

    A time between two milliseconds counts as the later one, so that nothing is used before it was known; where rows
    are looked up, `rounding` is `floor`. A text is ISO 8601, of UTC where it names no zone.
    """
    column = quoted(name)
    if family(sql_type) in _INTEGERS:
        ms = f"TRY_CAST({column} AS BIGINT)"
    else:
        zoned = f"TRY_CAST({column} AS TIMESTAMPTZ)" if family(sql_type) == "VARCHAR" else column
        moment = f"TRY_CAST({zoned} AS TIMESTAMP)"
        whole = f"CAST({rounding}(epoch_us({moment}) / 1000.0) AS BIGINT)"
        ms = f"CASE WHEN isfinite({moment}) THEN {whole} END"
    return f"CASE WHEN {ms} > {EARLIEST_MS} AND {ms} < {LATEST_MS} THEN {ms} END"
