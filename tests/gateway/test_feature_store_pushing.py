"""PushFeatures: rows are written whole or not at all, by tenants that may write them."""

from typing import Any

import pytest
from erpml.hub.v1 import feature_store_service_pb2 as messages
from erpml.types.v1.feature_view_pb2 import FeatureValue
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.errors import InvalidFields, InvalidRequest, NotFound, PermissionDenied
from gateway.feature_views import FeatureStatus
from tests.gateway.feature_store import NULLS, ROW, Charged, Service, fresh, now_ms, row_of, values_of


def at(ms: int, row: Any) -> Any:
    """Returns the row as of a time."""
    row.event_time.FromMilliseconds(ms)
    return row


def without(name: str, row: Any) -> Any:
    """Returns the row without a column."""
    del row.values[name]
    return row


def having(name: str, row: Any, **value: Any) -> Any:
    """Returns the row with another value."""
    row.values[name].CopyFrom(FeatureValue(**value))
    return row


@pytest.mark.parametrize("values", [ROW, NULLS])
async def test_a_pushed_row_is_what_is_read(values: Any) -> None:
    service, before = Service(), now_ms()
    answer = await service.push(row_of("c1", values))
    assert (answer.written, answer.outdated) == (1, 0)
    read = await service.get("c1")
    assert [values_of(column) for column in read.columns] == [[value] for value in values]
    assert list(read.statuses) == [FeatureStatus.FRESH]
    assert before <= read.event_times_ms[0] <= now_ms()


async def test_a_row_is_as_of_its_event_time() -> None:
    service = Service()
    await service.push(at(-1_500, row_of("c1")), at(now_ms() + 59_000, row_of("c2")))
    assert service.features.stored["customer", "c1"].event_time_ms == -1_500
    assert service.features.stored["customer", "c2"].event_time_ms > now_ms() + 50_000


async def test_rows_that_are_older_than_what_is_stored_are_counted() -> None:
    service = Service()
    service.features.stored["customer", "c1"] = fresh(*ROW, event_time_ms=5_000)
    answer = await service.push(at(4_999, row_of("c1", NULLS)), at(4_999, row_of("c2")))
    assert (answer.written, answer.outdated) == (1, 1)
    assert service.features.stored["customer", "c1"].values == ROW


async def test_rows_are_charged_to_the_views_team() -> None:
    service = Service()
    await service.push(row_of("c1"), row_of("c2"))
    assert service.charged == [Charged("known", "team3_features:customer", rows=2, feature_hits=0)]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (row_of(""), ".entity_id: must have 1 to 512 bytes, has 0"),
        (row_of("c" * 513), ".entity_id: must have 1 to 512 bytes, has 513"),
        (without("late", row_of()), ".values[late]: is required; an empty value is null"),
        (having("age", row_of(), integer=1), ".values[age]: view 'customer' has no such column, only income, balance"),
        (having("late", row_of(), number=1.0), ".values[late]: must be set as `integer`, since the column is INT32"),
        (
            having("income", row_of(), integer=1),
            ".values[income]: must be set as `number`, since the column is FLOAT32",
        ),
        (having("late", row_of(), integer=2**31), ".values[late]: must be an integer of 32 bits, got 2147483648"),
        (
            having("income", row_of(), number=1e39),
            ".values[income]: must be at most 3.402823466e+38 in size, got 1e+39",
        ),
        (having("city", row_of(), text="x" * 65_537), ".values[city]: must have at most 65,536 bytes, got 65,537"),
        (at(now_ms() + 3_600_000, row_of()), ".event_time: must be at most 60 s ahead, is "),
        (
            messages.FeatureRow(entity_id="c1", event_time=Timestamp(nanos=-1), values=row_of().values),
            ".event_time: must be of the years 1 to 9999",
        ),
        (
            messages.FeatureRow(entity_id="c1", event_time=Timestamp(seconds=2**62), values=row_of().values),
            ".event_time: must be of the years 1 to 9999",
        ),
    ],
)
async def test_a_bad_row_refuses_the_whole_push(row: Any, told: str) -> None:
    service = Service()
    with pytest.raises(InvalidFields) as refused:
        await service.push(row_of("good"), row)
    assert f"rows[1]{told}" in refused.value.message
    assert len(refused.value.violations) == 1
    assert (service.features.stored, service.charged) == ({}, [])


async def test_of_many_faults_the_first_are_told() -> None:
    with pytest.raises(InvalidFields) as refused:
        await Service().push(*[row_of("")] * 500)
    assert [field for field, _ in refused.value.violations] == [f"rows[{position}].entity_id" for position in range(12)]


@pytest.mark.parametrize(("count", "told"), [(0, "rows: is required"), (513, "rows: must be at most 512, got 513")])
async def test_a_push_has_at_least_one_row_and_not_too_many(count: int, told: str) -> None:
    with pytest.raises(InvalidFields, match=told):
        await Service().push(*[row_of()] * count)


async def test_a_tenant_that_may_read_may_not_push_for_that() -> None:
    service = Service(policies={"reader": {}, "crm": {"feature_pushes": ["crm_*"]}})
    for tenant in ("reader", "crm"):
        for name in ("customer", "nothing"):
            with pytest.raises(PermissionDenied, match=f"may not push to feature view '{name}'") as refused:
                await service.push(row_of(), tenant=tenant, view=name)
            assert refused.value.reason == "VIEW_NOT_ALLOWED"
    with pytest.raises(NotFound, match="no feature view 'crm_visits'"):
        await service.push(row_of(), tenant="crm", view="crm_visits")
    assert service.features.stored == {}


async def test_rows_count_as_rows() -> None:
    service = Service(policies={"small": {"max_batch_rows": 2, "feature_pushes": ["*"]}})
    with pytest.raises(InvalidRequest, match="may send 2 rows"):
        await service.push(*[row_of()] * 3, tenant="small")
    assert service.features.stored == {}
