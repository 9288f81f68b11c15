"""What is stored of single entities, as a gateway would see it: `gapura features get`."""

from collections.abc import Sequence
from dataclasses import dataclass

from erpml.types.v1 import feature_view_pb2
from gapura_features import CorruptRow, Row, Schema, Value
from gapura_features.packed import RowFormat

from hub.features.serving import serve
from hub.features.store import Store


@dataclass(frozen=True, slots=True)
class Found:
    """One entity.

    Attributes:
        entity: Its id.
        stored: `fresh`, `stale`, `missing`, or why the row cannot be used.
        served: What calls get: `fresh`, `stale`, `default` or `refused`.
        age_ms: Age of the row; None where there is none.
        event_time_ms: When it was true; None where there is none.
        values: What calls get, by column.
    """

    entity: str
    stored: str
    served: str
    age_ms: int | None
    event_time_ms: int | None
    values: dict[str, Value]


def look_up(store: Store, view: feature_view_pb2.FeatureView, entities: Sequence[str], now_ms: int) -> list[Found]:
    """Reads the rows of entities.

    Raises:
        HubError: Redis does not answer.
    """
    format_ = RowFormat(Schema.read(view))
    rows = store.read(store.pointer().live, entities)
    return [_judge(view, format_, entity, packed, now_ms) for entity, packed in zip(entities, rows, strict=True)]


def _judge(
    view: feature_view_pb2.FeatureView, format_: RowFormat, entity: str, packed: bytes | None, now_ms: int
) -> Found:
    row: Row | None = None
    stored = "missing"
    if packed is not None:
        try:
            row = format_.unpack(packed)
            stored = "fresh" if now_ms - row.event_time_ms <= view.freshness_ms else "stale"
        except CorruptRow as error:
            stored = str(error)
    served = serve(view, row, now_ms)
    age_ms = now_ms - row.event_time_ms if row else None
    return Found(entity, stored, served.status, age_ms, row.event_time_ms if row else None, served.values)
