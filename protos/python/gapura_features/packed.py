"""Packs a row of features into one value of Redis, and unpacks it.

    16 bytes    <HHIq: version of the format, number of columns, hash of the schema, event time in ms since 1970
    4 n         the FLOAT32 columns, in the order of the schema
    (c + 7)/8   one bit per column, from the lowest: whether it is null
    ...         the FLOAT64 (8 bytes), INT32 (4), INT64 (8) and BOOL (1) columns, in the order of the schema
    ...         the STRING and BYTES columns, each behind its length in 4 bytes

Everything is little-endian. A null FLOAT32 stands as NaN, so that the floats can be copied into a batch as they are;
any other null stands as zero or empty.
"""

from collections.abc import Mapping, Sequence
from math import nan
from operator import itemgetter
from struct import Struct, error
from typing import NamedTuple

from gapura_features.schema import BadValue, FeatureType, Schema, Value

FORMAT = 1
HEADER = Struct("<HHIq")
HEAD = Struct("<HHI")
LENGTH = Struct("<I")
MOST_ROW_BYTES = 1024 * 1024
CODES = {FeatureType.FLOAT64: "d", FeatureType.INT32: "i", FeatureType.INT64: "q", FeatureType.BOOL: "?"}
BLANKS: Mapping[FeatureType, Value] = {
    FeatureType.FLOAT32: nan,
    FeatureType.FLOAT64: 0.0,
    FeatureType.INT32: 0,
    FeatureType.INT64: 0,
    FeatureType.BOOL: False,
    FeatureType.STRING: "",
    FeatureType.BYTES: b"",
}
EARLIEST, LATEST = -(2**53), 2**53


class CorruptRow(ValueError):
    """The bytes are not a row of this schema."""


class Row(NamedTuple):
    """The features of one entity.

    Attributes:
        values: A value for each column, in the order of the schema.
        event_time_ms: When they were true, in milliseconds since 1970.
    """

    values: tuple[Value, ...]
    event_time_ms: int


class RowFormat:
    """How rows of a schema are packed.

    Args:
        schema: The columns.
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        order = range(len(schema.columns))
        types = [column.type for column in schema.columns]
        floats = [index for index in order if types[index] is FeatureType.FLOAT32]
        fixed = [index for index in order if types[index] in CODES]
        texts = [index for index in order if types[index] in {FeatureType.STRING, FeatureType.BYTES}]
        self._stored = [*floats, *fixed, *texts]
        self._texts = [types[index] for index in texts]
        self._floats = len(floats)
        self._mask_bytes = (len(types) + 7) // 8
        codes = "".join(CODES[types[index]] for index in fixed)
        self._struct = Struct(f"<HHIq{len(floats)}f{self._mask_bytes}s{codes}")
        self._values = Struct(f"<8xq{len(floats)}f{self._mask_bytes}x{codes}")
        self._head = HEAD.pack(FORMAT, len(types), schema.hash)
        mask = HEADER.size + 4 * len(floats)
        self._mask, self._no_nulls = slice(mask, mask + self._mask_bytes), bytes(self._mask_bytes)
        self._in_order = self._stored == list(order)
        self._arrange = itemgetter(*(self._stored.index(index) for index in order)) if len(types) > 1 else tuple

    def pack(self, values: Sequence[Value], event_time_ms: int) -> bytes:
        """Packs a row.

        Args:
            values: A value for each column, in the order of the schema.
            event_time_ms: When they were true.

        Raises:
            BadValue: A value does not fit its column, or the row is too large.
        """
        columns = self.schema.columns
        if len(values) != len(columns):
            raise BadValue("values", f"must be {len(columns)}, got {len(values)}")
        if not EARLIEST < event_time_ms < LATEST:
            raise BadValue("event_time", f"must be within 285,000 years of 1970, got {event_time_ms} ms")
        for column, value in zip(columns, values, strict=True):
            column.check(value)
        nulls = sum(1 << index for index, value in enumerate(values) if value is None)
        stored = [BLANKS[columns[i].type] if values[i] is None else values[i] for i in self._stored]
        fixed = len(stored) - len(self._texts)
        head = (FORMAT, len(columns), self.schema.hash, event_time_ms, *stored[: self._floats])
        mask = nulls.to_bytes(self._mask_bytes, "little")
        packed = self._struct.pack(*head, mask, *stored[self._floats : fixed])
        packed += b"".join(map(_behind_length, stored[fixed:]))
        if len(packed) > MOST_ROW_BYTES:
            raise BadValue("values", f"must have at most {MOST_ROW_BYTES:,} bytes together, got {len(packed):,}")
        return packed

    def unpack(self, packed: bytes) -> Row:
        """Unpacks a row.

        Raises:
            CorruptRow: The bytes are not a row of this schema.
        """
        values, event_time_ms, _ = self.read(packed)
        return Row(values, event_time_ms)

    def read(self, packed: bytes) -> tuple[tuple[Value, ...], int, bool]:
        """Unpacks a row into its values, its event time in ms since 1970, and whether any value is null.

        Raises:
            CorruptRow: The bytes are not a row of this schema.
        """
        if not packed.startswith(self._head):
            raise CorruptRow("the row has another format or other columns")
        try:
            found = self._values.unpack_from(packed)
        except error:
            raise CorruptRow(f"{len(packed)} bytes are too few for a row") from None
        values = found[1:]
        if self._texts:
            values += self._unpack_texts(packed)
        elif len(packed) != self._values.size:
            raise CorruptRow(f"{len(packed)} bytes are not a row of {self._values.size}")
        if not self._in_order:
            values = self._arrange(values)
        mask = packed[self._mask]
        if mask == self._no_nulls:
            return values, found[0], False
        return _without_nulls(values, int.from_bytes(mask, "little")), found[0], True

    def _unpack_texts(self, packed: bytes) -> tuple[Value, ...]:
        """Unpacks what lies behind the columns of a fixed size."""
        values: list[Value] = []
        at = self._values.size
        try:
            for type_ in self._texts:
                (length,) = LENGTH.unpack_from(packed, at)
                at += LENGTH.size
                part = packed[at : at + length]
                at += length
                values.append(part.decode() if type_ is FeatureType.STRING else part)
        except (error, UnicodeDecodeError):
            raise CorruptRow("a text is cut or is not UTF-8") from None
        if at != len(packed):
            raise CorruptRow(f"{len(packed)} bytes are not a row of {at}")
        return tuple(values)


def event_time_of(packed: bytes) -> int:
    """Returns the event time of a packed row of any schema, in milliseconds since 1970.

    Raises:
        CorruptRow: The bytes are too few.
    """
    try:
        event_time_ms: int = HEADER.unpack_from(packed)[3]
    except error:
        raise CorruptRow(f"{len(packed)} bytes are too few for a row") from None
    return event_time_ms


def _behind_length(value: object) -> bytes:
    """Returns a text or bytes behind their length."""
    content = value.encode() if isinstance(value, str) else value
    assert isinstance(content, bytes)  # noqa: S101 - its column was checked
    return LENGTH.pack(len(content)) + content


def _without_nulls(values: tuple[Value, ...], nulls: int) -> tuple[Value, ...]:
    """Puts null where the mask says so."""
    if nulls >> len(values):
        raise CorruptRow("the mask has more bits than there are columns")
    return tuple(None if nulls >> index & 1 else value for index, value in enumerate(values))
