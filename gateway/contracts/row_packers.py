"""Packs the rows of a call: each by itself, or, where stored features say all of a row, once for all calls."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Protocol

from gapura_features.keys import is_entity

from gateway.contracts.lookups import SHORT_ENTITY, Asked
from gateway.contracts.sides import Side
from gateway.contracts.stored_rows import StoredRow
from gateway.errors import InvalidFields
from gateway.feature_views import NO_FEATURES, Features, Lookup

MOST_KEPT = 65_536


class RowPacker(Protocol):
    """Packs rows."""

    def lookups(self, rows: Sequence[Any]) -> Sequence[Lookup | None]:
        """Names the entities of each row, in their order."""

    def pack(self, rows: Sequence[Any], features: Sequence[Features]) -> list[StoredRow]:
        """Packs rows.

        Args:
            rows: The rows.
            features: Those of the entities that they look up; nothing where none was looked up.

        Raises:
            InvalidFields: Fields of a row are missing, not finite or out of range.
            GatewayError: What refuses the features.
        """


class EachRow:
    """Packs each row by itself.

    Args:
        side: What a row feeds.
        field: The request field with the rows, to speak of them.
    """

    def __init__(self, side: Side, field: str) -> None:
        self._side, self._field = side, field

    def lookups(self, rows: Sequence[Any]) -> Sequence[Lookup | None]:
        """Names the entities of each row, in their order."""
        nothing = (None,) * len(self._side.entities)
        return [lookup for row in rows for lookup in self._side.seek(Asked(row)) or nothing] if nothing else ()

    def pack(self, rows: Sequence[Any], features: Sequence[Features]) -> list[StoredRow]:
        """Packs rows; errors are those of `RowPacker`."""
        entities = len(self._side.entities) if features else 0
        return [
            self.pack_one(position, row, features[position * entities : (position + 1) * entities])
            for position, row in enumerate(rows)
        ]

    def pack_one(self, position: int, row: Any, features: Sequence[Features]) -> StoredRow:
        """Packs the row at a position; errors are those of `RowPacker`."""
        try:
            return self._side.pack(row, features)
        except InvalidFields as error:
            told = [(f"{self._field}[{position}].{field}", need) for field, need in error.violations]
            raise InvalidFields(told) from None


class KeptRows:
    """Keeps rows that stored features alone say, by their entities: equal features have equal rows.

    Args:
        side: What a row feeds.
        field: The request field with the rows, to speak of them.
    """

    def __init__(self, side: Side, field: str) -> None:
        self._each = EachRow(side, field)
        entity = side.entities[0]
        self._view, self._id = entity.view, entity.id if entity.join else attrgetter(entity.field)
        self._kept: dict[str, tuple[Features, StoredRow]] = {}

    def lookups(self, rows: Sequence[Any]) -> Sequence[Lookup | None]:
        """Names the entity of each row, in their order."""
        view, make = self._view, tuple.__new__
        return [
            make(Lookup, (view, entity)) if 0 < len(entity) <= SHORT_ENTITY or is_entity(entity) else None
            for entity in map(self._id, rows)
        ]

    def pack(self, rows: Sequence[Any], features: Sequence[Features]) -> list[StoredRow]:
        """Packs rows; errors are those of `RowPacker`."""
        features = features or (NO_FEATURES,) * len(rows)
        found = list(map(self._kept.get, map(self._id, rows)))
        for position, (kept, each) in enumerate(zip(found, features, strict=True)):
            if kept is None or kept[0] is not each:
                found[position] = self._keep(position, rows[position], each)
        return [kept[1] for kept in found if kept is not None]

    def _keep(self, position: int, row: Any, features: Features) -> tuple[Features, StoredRow]:
        """Packs the row at a position, and keeps it."""
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        self._kept[self._id(row)] = kept = (features, self._each.pack_one(position, row, (features,)))
        return kept
