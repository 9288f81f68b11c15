"""Reads what Feast has materialised into Redis, without Feast.

    key     entity key ++ project
    fields  mmh3_32("view:feature"), little-endian, 4 bytes -> feast.types.Value
            "_ts:view" -> google.protobuf.Timestamp

The entity key, all numbers `<I`: in version 3 the number of join keys; for each the type STRING, in version 3 its
length, and its name; for each value its type, length and bytes. Source: Feast 0.67, docs/specs/online_store_format.md.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from struct import Struct, error
from typing import Any, NamedTuple

import mmh3
from gapura_features import Value
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from hub.errors import HubError
from hub.features.connection import connect, translated

_BATCH = 2_000
_COUNT = Struct("<I")
_BYTES, _STRING, _INT32, _INT64 = 1, 2, 3, 4
_INTEGERS = {_INT32: 4, _INT64: 8}
_FIELDS = (
    ("bytes_val", 1, "TYPE_BYTES"),
    ("string_val", 2, "TYPE_STRING"),
    ("int32_val", 3, "TYPE_INT32"),
    ("int64_val", 4, "TYPE_INT64"),
    ("double_val", 5, "TYPE_DOUBLE"),
    ("float_val", 6, "TYPE_FLOAT"),
    ("bool_val", 7, "TYPE_BOOL"),
    ("unix_timestamp_val", 8, "TYPE_INT64"),
)


class FeastRow(NamedTuple):
    """A row as Feast stored it.

    Attributes:
        entity: Value of the join key.
        event_time_ms: When it was true; Feast stores whole seconds.
        values: A value for each feature that was asked for; None where Feast has none.
    """

    entity: str
    event_time_ms: int
    values: list[Value]


def field_of(view: str, feature: str) -> bytes:
    """Returns the field of a feature."""
    return mmh3.hash(f"{view}:{feature}", signed=False).to_bytes(4, "little")


def read_entity_key(key: bytes, join_key: str | None = None) -> str | None:
    """Returns the value of a join key, as text; None where the bytes are no entity key, or have no such join key.

    Args:
        key: The entity key, of version 2 or 3.
        join_key: The join key; not needed where there is one.
    """
    try:
        found = _split_3(key)
    except (error, ValueError):
        try:
            found = _split_2(key, join_key)
        except (error, ValueError):
            return None
    if join_key is None:
        return next(iter(found.values())) if len(found) == 1 else None
    return found.get(join_key)


class FeastReader:
    """Reads one view.

    Args:
        url: Feast's Redis.
        project: Name of the project.
        view: Name of Feast's view.
        features: Names of the features.
    """

    def __init__(self, url: str, project: str, view: str, features: Sequence[str]) -> None:
        self._client = connect(url, "the URL of Feast's Redis")
        self._project = project.encode()
        self._time = f"_ts:{view}"
        self._fields = [field_of(view, feature) for feature in features]
        self._value = _value_class()

    def batches(self, join_key: str | None = None) -> Iterator[list[FeastRow]]:
        """Yields all rows in batches; an entity may come twice while its Redis grows.

        Raises:
            HubError: Redis does not answer, or holds something else than Feast wrote.
        """
        with translated("reading Feast's Redis"):
            pattern = b"*" + b"".join(b"\\" + bytes([byte]) for byte in self._project)
            keys = self._client.scan_iter(match=pattern, count=_BATCH, _type="hash")
            unread, found_any = b"", False
            while batch := list(islice(keys, _BATCH)):
                with self._client.pipeline(transaction=False) as pipeline:
                    for key in batch:
                        pipeline.hmget(key, [self._time, *self._fields])
                    found = pipeline.execute()
                rows = list[FeastRow]()
                for key, values in zip(batch, found, strict=True):
                    if values[0] is not None:  # other hashes hold other views only
                        row = self._read(key, values, join_key)
                        rows += [row] if row else []
                        unread = unread or (b"" if row else key)
                found_any = found_any or bool(rows)
                yield rows
            if unread and not found_any:
                raise HubError(
                    f"the entity key of {unread[:80]!r} cannot be read: name the one of its join keys that is the "
                    "entity of the view, and see that Feast writes version 2 or 3"
                )

    def _read(self, key: bytes, found: list[bytes | None], join_key: str | None) -> FeastRow | None:
        """Reads one hash; None where its key is not of the project, whose name may end that of another."""
        entity = read_entity_key(key[: len(key) - len(self._project)], join_key)
        if entity is None:
            return None
        try:
            time = Timestamp.FromString(found[0] or b"")
            values = [self._value_of(value) for value in found[1:]]
        except DecodeError as error_:
            raise HubError(f"what is stored of entity '{entity}' is not Feast's: {error_}") from error_
        return FeastRow(entity, time.ToMilliseconds(), values)

    def _value_of(self, content: bytes | None) -> Value:
        message = self._value.FromString(content or b"")
        field = message.WhichOneof("val")
        value: Value = getattr(message, field) if field else None
        return value


def _split_3(key: bytes) -> dict[str, str]:
    """Reads an entity key of version 3."""
    (count,) = _COUNT.unpack_from(key)
    at, names = _COUNT.size, list[str]()
    if not 0 < count <= len(key):
        raise ValueError("no entity key")
    for _ in range(count):
        type_, size = _COUNT.unpack_from(key, at)[0], _COUNT.unpack_from(key, at + 4)[0]
        if type_ != _STRING or at + 8 + size > len(key):
            raise ValueError("no join key")
        names.append(key[at + 8 : at + 8 + size].decode())
        at += 8 + size
    return dict(zip(names, _values(key, at, count), strict=True))


def _split_2(key: bytes, join_key: str | None) -> dict[str, str]:
    """Reads an entity key of version 2, which does not say where the name of its one join key ends."""
    if _COUNT.unpack_from(key)[0] != _STRING:
        raise ValueError("no entity key")
    ends = [4 + len(join_key.encode())] if join_key else range(5, len(key))
    for end in ends:
        try:
            (value,) = _values(key, end, 1)
            return {key[4:end].decode(): value}
        except (error, ValueError):
            continue
    raise ValueError("no entity key")


def _values(key: bytes, at: int, count: int) -> list[str]:
    """Reads the values, which go to the end of the key."""
    values = []
    for _ in range(count):
        type_, size = _COUNT.unpack_from(key, at)[0], _COUNT.unpack_from(key, at + 4)[0]
        content = key[at + 8 : at + 8 + size]
        at += 8 + size
        if len(content) != size or _INTEGERS.get(type_, size) != size or type_ not in {_STRING, _BYTES, *_INTEGERS}:
            raise ValueError("no value")
        values.append(str(int.from_bytes(content, "little", signed=True)) if type_ in _INTEGERS else content.decode())
    if at != len(key):
        raise ValueError("more than an entity key")
    return values


def _value_class() -> Any:
    """Makes the class of `feast.types.Value`, of the types that a view can have."""
    file = descriptor_pb2.FileDescriptorProto(name="feast_value.proto", package="feast.types", syntax="proto3")
    message = file.message_type.add(name="Value")
    message.oneof_decl.add(name="val")
    for name, number, type_ in _FIELDS:
        message.field.add(
            name=name,
            number=number,
            type=descriptor_pb2.FieldDescriptorProto.Type.Value(type_),
            label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL,
            oneof_index=0,
        )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("feast.types.Value"))
