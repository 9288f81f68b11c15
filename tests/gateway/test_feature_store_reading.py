"""GetOnlineFeatures: values by column, exactly those that are stored, and only for tenants that may read the view."""

from itertools import permutations

import pytest
from erpml.hub.v1 import feature_store_service_pb2 as messages
from gapura_features.schema import FeatureType, Value
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.calls import Call
from gateway.edge.feature_store.service import MOST_CHOICES, OfferedView
from gateway.edge.feature_store.vectors import Vectors
from gateway.errors import InvalidFields, InvalidRequest, NotFound, Overloaded, PermissionDenied, Unavailable
from gateway.feature_views import Features, FeatureStatus
from tests.gateway.feature_store import COLUMNS, NULLS, ROW, ROWS, Charged, Service, fresh, same, values_of, view

FLOATS = {"a": FeatureType.FLOAT32, "b": FeatureType.FLOAT32}
OTHER: tuple[Value, ...] = (1.5, -0.0, 3, -1, False, "", b"")


async def test_a_row_is_told_by_column_in_the_order_of_the_view() -> None:
    service = Service()
    service.features.stored["customer", "c1"] = fresh(*ROW)
    answer = await service.get("c1")
    assert [(column.name, column.type) for column in answer.columns] == list(COLUMNS.items())
    assert [values_of(column) for column in answer.columns] == [[value] for value in ROW]
    assert not any(column.nulls for column in answer.columns)
    assert (list(answer.statuses), list(answer.event_times_ms)) == ([FeatureStatus.FRESH], [1_000])


async def test_entities_come_in_the_order_of_the_request_and_as_often_as_in_it() -> None:
    service = Service()
    service.features.stored |= {("customer", "c1"): fresh(*ROW), ("customer", "c2"): fresh(*OTHER, event_time_ms=2_000)}
    answer = await service.get("c2", "c1", "c2")
    assert [values_of(column) for column in answer.columns] == [
        [second, first, second] for first, second in zip(ROW, OTHER, strict=True)
    ]
    assert list(answer.event_times_ms) == [2_000, 1_000, 2_000]


@pytest.mark.parametrize("entities", [("c1",), ("c1", "c1")])
@pytest.mark.parametrize("columns", [("city", "income"), ("orders",), tuple(COLUMNS)[::-1]])
async def test_a_request_chooses_columns_and_their_order(entities: tuple[str, ...], columns: tuple[str, ...]) -> None:
    service = Service()
    service.features.stored["customer", "c1"] = fresh(*ROW)
    answer = await service.get(*entities, columns=columns)
    values = dict(zip(COLUMNS, ROW, strict=True))
    told = {column.name: values_of(column) for column in answer.columns}
    assert list(told) == list(columns)
    assert told == {name: [values[name]] * len(entities) for name in columns}


@pytest.mark.parametrize("columns", [(), ("b",), ("b", "a")])
async def test_one_row_of_floats_is_told_as_several_are(columns: tuple[str, ...]) -> None:
    service = Service({"customer": view(columns=FLOATS)})
    service.features.stored |= {("customer", "c1"): fresh(0.5, -1.5), ("customer", "c2"): fresh(None, 2.0)}
    one, several = await service.get("c1", columns=columns), await service.get("c1", "c1", columns=columns)
    assert [(column.name, values_of(column) * 2) for column in one.columns] == [
        (column.name, values_of(column)) for column in several.columns
    ]
    nulls = await service.get("c2", columns=columns)
    told = {column.name: values_of(column) for column in nulls.columns}
    assert told == {name: values for name, values in {"a": [None], "b": [2.0]}.items() if name in (columns or "ab")}


async def test_a_null_stands_as_zero_or_empty_and_is_marked() -> None:
    service = Service()
    service.features.stored |= {("customer", "c1"): fresh(*NULLS), ("customer", "c2"): fresh(*ROW)}
    answer = await service.get("c1", "c2")
    assert [list(column.nulls) for column in answer.columns] == [[True, False]] * len(COLUMNS)
    assert answer.columns[0].floats[:] == [0.0, 0.5]
    assert answer.columns[5].texts[:] == ["", "Zürich"]
    assert [values_of(column) for column in answer.columns] == [[None, value] for value in ROW]


async def test_features_that_a_view_refuses_are_null_and_the_others_are_told() -> None:
    service = Service()
    why = Unavailable("FEATURES_UNAVAILABLE", "too old", view="customer")
    refused = Features(NULLS, NULLS, FeatureStatus.REFUSED, refusal=why)
    service.features.stored |= {("customer", "c1"): refused, ("customer", "c2"): fresh(*ROW)}
    answer = await service.get("c1", "c2")
    assert list(answer.statuses) == [FeatureStatus.REFUSED, FeatureStatus.FRESH]
    assert [values_of(column) for column in answer.columns] == [[None, value] for value in ROW]
    assert list(answer.event_times_ms) == [0, 1_000]


@pytest.mark.parametrize("at_hand", [True, False])
async def test_all_entities_are_asked_for_together(at_hand: bool) -> None:  # noqa: FBT001 - a parameter of the test
    service = Service()
    service.features.at_hand = at_hand
    await service.get("c1", "c2", "c3")
    assert [[lookup and lookup.entity for lookup in wanted] for wanted in service.features.wanted] == [
        ["c1", "c2", "c3"]
    ]


async def test_what_is_stored_and_used_counts_as_a_hit_of_the_views_team() -> None:
    service = Service()
    stale = fresh(*ROW)._replace(status=FeatureStatus.STALE)
    service.features.stored |= {("customer", "c1"): fresh(*ROW), ("customer", "c2"): stale}
    await service.get("c1", "c2", "c3")
    assert service.charged == [Charged("known", "team3_features:customer", rows=3, feature_hits=2)]


@pytest.mark.parametrize(
    ("entities", "columns", "told"),
    [
        ((), (), "entity_ids: is required"),
        (("c",) * 513, (), "entity_ids: must be at most 512, got 513"),
        (("c1", ""), (), r"entity_ids\[1\]: must have 1 to 512 bytes, has 0"),
        (("c" * 513,), (), r"entity_ids\[0\]: must have 1 to 512 bytes, has 513"),
        (("ü" * 257,), (), r"entity_ids\[0\]: must have 1 to 512 bytes, has 514"),
        (("c1",), ("income", "age"), r"columns\[1\]: view 'customer' has no column 'age', only income, balance"),
        (("c1",), ("city", "city"), "columns: must name each column once"),
    ],
)
async def test_a_request_that_cannot_be_answered_is_told_what_to_change(
    entities: tuple[str, ...], columns: tuple[str, ...], told: str
) -> None:
    service = Service()
    with pytest.raises(InvalidFields, match=told):
        await service.get(*entities, columns=columns)
    assert (service.features.wanted, service.charged) == ([], [])


@pytest.mark.parametrize("entities", [("c" * 512,), ("ü" * 256,), ("c1",) * 512])
async def test_the_longest_ids_and_the_most_of_them_are_taken(entities: tuple[str, ...]) -> None:
    assert len((await Service().get(*entities)).statuses) == len(entities)


async def test_a_request_has_to_name_a_view() -> None:
    with pytest.raises(InvalidFields, match="view: is required"):
        await Service().get("c1", view="")


async def test_bytes_that_are_no_request_are_refused() -> None:
    service = Service()
    for path, endpoint in service.endpoints.items():
        with pytest.raises(InvalidRequest, match="the bytes are not an erpml.hub.v1"):
            await endpoint.answer(Call(b"\xff", service.keys["known"], None, path=path))


async def test_a_tenant_learns_nothing_of_views_that_it_may_not_read() -> None:
    service = Service(policies={"crm": {"feature_views": ["crm_*"]}})
    told = []
    for name in ("customer", "nothing"):
        with pytest.raises(PermissionDenied) as refused:
            await service.get("c1", view=name, tenant="crm", columns=["nothing"])
        assert (refused.value.reason, refused.value.metadata) == (
            "VIEW_NOT_ALLOWED",
            {"tenant": "crm", "view": name},
        )
        told.append(refused.value.message.replace(name, "*"))
    assert told[0] == told[1]


async def test_a_view_that_a_tenant_may_read_and_that_there_is_none_of_is_unknown() -> None:
    with pytest.raises(NotFound, match="no feature view 'crm_visits' is declared") as refused:
        await Service().get("c1", view="crm_visits")
    assert refused.value.reason == "VIEW_UNKNOWN"


async def test_entities_count_as_rows() -> None:
    slow = {"feature_views": ["*"], "rows_per_second": 1, "burst_seconds": 1}
    service = Service(policies={"small": {"feature_views": ["*"], "max_batch_rows": 2}, "slow": slow})
    with pytest.raises(InvalidRequest, match="may send 2 rows"):
        await service.get("c1", "c2", "c3", tenant="small")
    await service.get("c1", tenant="slow")
    with pytest.raises(Overloaded):
        await service.get("c1", tenant="slow")


@given(rows=st.lists(ROWS, min_size=1, max_size=5))
@example(
    rows=[(-0.0, float("nan"), 0, 2**53 + 1, False, "\x00", b"\x00"), (float("inf"), -0.0, -1, -1, True, "é", b"")]
)
def test_vectors_tell_every_value_as_it_is(rows: list[tuple[Value, ...]]) -> None:
    columns = view().schema.columns
    written = Vectors(columns, range(len(columns))).write(rows)
    read = messages.GetOnlineFeaturesResponse.FromString(written)
    for column, expected in zip(read.columns, zip(*rows, strict=True), strict=True):
        assert all(same(*pair) for pair in zip(values_of(column), expected, strict=True))


def test_choices_of_columns_do_not_fill_the_memory() -> None:
    offered = OfferedView(view(columns={f"c{number}": FeatureType.FLOAT32 for number in range(20)}))
    first, *others = list(permutations((column.name for column in offered.view.schema.columns), 2))[: MOST_CHOICES + 1]
    prepared = offered.vectors(first)
    assert offered.vectors(first) is prepared
    for columns in others:
        offered.vectors(columns)
    assert offered.vectors(first) is not prepared
