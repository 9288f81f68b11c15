"""Reads stored features and tells how good they are."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from erpml.hub.v1 import feature_store_service_pb2 as messages
from erpml.types.v1.prediction_info_pb2 import FeatureStatus

MOST_ENTITIES = 512  # of one call
LISTS = ("floats", "doubles", "integers", "truths", "texts", "octets")
PREFIX = "FEATURE_STATUS_"
REFUSED = "REFUSED"


class FeatureRow(dict[str, Any]):
    """Stored features of one entity, by column; None where a value is null.

    Attributes:
        status: How good they are: `FRESH`, `STALE`, or `DEFAULT` where nothing usable is stored and the view's
            defaults stand in.
        event_time: When the stored ones were true; None where none were used.
    """

    def __init__(self, values: dict[str, Any], status: str, event_time: datetime | None) -> None:
        super().__init__(values)
        self.status = status
        self.event_time = event_time


def read_features(
    stub: Any, view: str, entity_ids: Sequence[str], columns: Sequence[str], timeout: float
) -> list[FeatureRow | None]:
    """Returns the features of entities, in order; None for one whose missing or old features the view refuses.

    Raises:
        GapuraError: The call failed.
    """
    rows: list[FeatureRow | None] = []
    for start in range(0, len(entity_ids), MOST_ENTITIES):
        asked = entity_ids[start : start + MOST_ENTITIES]
        request = messages.GetOnlineFeaturesRequest(view=view, entity_ids=asked, columns=columns)
        rows.extend(rows_of(stub.GetOnlineFeatures(request, timeout=timeout)))
    return rows


def rows_of(answer: messages.GetOnlineFeaturesResponse) -> Iterator[FeatureRow | None]:
    """Yields the rows of an answer, which holds columns."""
    names = [vector.name for vector in answer.columns]
    columns = [values_of(vector, len(answer.statuses)) for vector in answer.columns]
    rows = zip(*columns, strict=True)
    for values, number, event_time_ms in zip(rows, answer.statuses, answer.event_times_ms, strict=True):
        status = FeatureStatus.Name(number).removeprefix(PREFIX)
        event_time = datetime.fromtimestamp(event_time_ms / 1000, UTC) if event_time_ms else None
        yield None if status == REFUSED else FeatureRow(dict(zip(names, values, strict=True)), status, event_time)


def values_of(vector: messages.FeatureVector, count: int) -> list[Any]:
    """Returns the values of a column, nulls as None."""
    filled: Sequence[Any] = next((values for name in LISTS if (values := getattr(vector, name))), [None] * count)
    nulls = vector.nulls or [False] * count
    return [None if null else value for null, value in zip(nulls, filled, strict=True)]
