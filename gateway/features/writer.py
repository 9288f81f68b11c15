"""Writes fresh rows of features: kept first, then served."""

from collections.abc import Sequence

from gapura_features.keys import pointer_key
from gapura_features.packed import RowFormat
from gapura_features.pointer import Pointer
from gapura_features.pushing import PushedRow, kept, written
from gapura_features.schema import BadValue

from gateway.errors import InvalidFields, Unavailable
from gateway.feature_views import FeatureView, FreshRow
from gateway.features.source import Found, RowSource


class Writer:
    """Pushes rows into a store.

    Args:
        source: The store.
    """

    def __init__(self, source: RowSource) -> None:
        self._source = source

    async def push(self, view: FeatureView, rows: Sequence[FreshRow]) -> int:
        """Writes rows, each unless a later one is stored; returns how many were written.

        Raises:
            InvalidFields: A value does not fit its column.
            Unavailable: The store does not answer; pushing again does no harm.
        """
        packed = pack(view, rows)
        (found,) = await self._source.read([pointer_key(view.name)])
        pointer = read_pointer(view, found)
        await self._source.write(kept(view.name, packed))
        answers = await self._source.write(written(view.name, pointer, packed))
        return sum(1 for answer in answers[: len(packed)] if answer == 1)


def pack(view: FeatureView, rows: Sequence[FreshRow]) -> list[PushedRow]:
    """Packs rows.

    Raises:
        InvalidFields: A value does not fit its column.
    """
    format_, packed = RowFormat(view.schema), []
    for position, row in enumerate(rows):
        try:
            packed.append(PushedRow(row.entity, format_.pack(row.values, row.event_time_ms)))
        except BadValue as error:
            raise InvalidFields([(f"rows[{position}].{error.column}", error.need)]) from error
    return packed


def read_pointer(view: FeatureView, found: Found) -> Pointer:
    """Reads the pointer of a view.

    Raises:
        Unavailable: It could not be read.
    """
    try:
        if isinstance(found, bytes | None):
            return Pointer.read(found)
        told = "Redis does not answer; try again"
    except ValueError as error:
        told = f"{error}; materialise the view again"
    raise Unavailable("FEATURES_UNAVAILABLE", f"view '{view.name}' cannot be written: {told}", view=view.name)
