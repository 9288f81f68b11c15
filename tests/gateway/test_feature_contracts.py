"""Contracts that look up stored features: what a request does not say is taken from its entities, and told."""

import struct
from math import inf, isnan, nan
from pathlib import Path
from time import time_ns
from typing import Any

import pytest
from gapura_features.schema import Column, FeatureType, Value

from gateway.contracts.compilation import Compiled
from gateway.errors import InvalidFields, InvalidRequest, Unavailable
from gateway.feature_views import NO_FEATURES, Features, FeatureStatus, FeatureView, Lookup
from gateway.types import Arm, Tensors
from tests.gateway.contract_source import REQUIRED, compiled, fed
from tests.gateway.feature_contract import (
    BATCH,
    BOTH,
    CUSTOMER_ONLY,
    LEADS,
    NUMBERS,
    SHOP,
    SHOPS,
    SINGLE,
    TEXT,
    TREND,
    entity,
    features,
    lead,
    served,
    view,
)

FRESH, STALE, DEFAULT = FeatureStatus.FRESH, FeatureStatus.STALE, FeatureStatus.DEFAULT
REFUSED = Features((None,) * 5, (None,) * 5, FeatureStatus.REFUSED, refusal=Unavailable("FEATURES_UNAVAILABLE", "no"))
ANN = features(LEADS, 7, 4000.0, "gold", 0.75, None, event_time_ms=5)
SHOP_9 = features(SHOPS, 0.125, 0.0, event_time_ms=3)
Fields = dict[str, Any]


class Contract:
    """The methods of a contract, compiled, and one way to ask them."""

    def __init__(self, found: Compiled, arm: Arm) -> None:
        self.single: Any = found.methods[SINGLE]
        self.batch: Any = found.methods[BATCH]
        self.arm = arm

    def ask(self, method: Any, message: Any) -> tuple[Any, list[Lookup | None]]:
        """Returns a request as the method reads it, and what it looks up."""
        request = method.parse(message.SerializeToString())
        return request, list(method.lookups(request, self.arm))

    def wanted(self, **fields: Any) -> list[str | None]:
        """Returns the entities that a request looks up."""
        _, wanted = self.ask(self.single, self.single.request(**fields))
        return [lookup and lookup.entity for lookup in wanted]

    def take(self, fields: Fields, *given: Features) -> tuple[Any, Tensors]:
        """Returns a request after its row was made, and the row."""
        request, _ = self.ask(self.single, self.single.request(**fields))
        inputs, left_out = self.single.rows(request, self.arm, given)
        assert (inputs.rows, left_out) == (1, {})
        return request, inputs

    def row(self, fields: Fields, *given: Features) -> list[Any]:
        """Returns the values of the row of each input, in order."""
        _, inputs = self.take(fields, *given)
        return [value for data, spec in zip(inputs.data, self.arm.version.signature.inputs, strict=True)
                for value in read(bytes(data), spec.datatype)]  # fmt: skip

    def info(self, fields: Fields, *given: Features) -> Any:
        """Returns what an answer says of its making."""
        request, _ = self.take(fields, *given)
        return answer_class(self.batch).FromString(self.single.answer(request, {}, OUTPUTS, self.arm, given)).info


OUTPUTS = Tensors(1, ((2,),), (struct.pack("<2f", 0.25, 0.75),))


def answer_class(batch: Any) -> Any:
    """Returns the message class of an answer to one item."""
    result = batch.response().results.add()
    return type(result.response)


def read(data: bytes, datatype: str) -> tuple[Any, ...]:
    """Returns the elements of a tensor."""
    if datatype == "BYTES":
        return (data[4:].decode(),)
    code = {"FP64": "d", "FP32": "f", "INT32": "i"}[datatype]
    return struct.unpack(f"<{len(data) // struct.calcsize(code)}{code}", data)


def contract(folder: Path, fields: str, *inputs: Any, views: tuple[FeatureView, ...] = (LEADS, SHOPS)) -> Contract:
    """Compiles a contract for a model with these inputs."""
    version = served(*inputs)
    found = compiled(folder, lead(fields), version, *views)
    assert not found.refused, found.refused
    return Contract(found, Arm("champion", version))


@pytest.fixture
def one(tmp_path: Path) -> Contract:
    return contract(tmp_path, CUSTOMER_ONLY, NUMBERS, TEXT)


@pytest.fixture
def two(tmp_path: Path) -> Contract:
    return contract(tmp_path, BOTH, NUMBERS, SHOP, TEXT)


ALL: Fields = {"visits": 3, "income": 10.0, "segment": "new"}


def test_what_the_request_does_not_say_is_looked_up_and_what_it_says_wins(one: Contract) -> None:
    assert one.wanted(customer_id="ann") == ["ann"]
    assert one.row({"customer_id": "ann"}, ANN) == [4000, 7, "gold"]
    assert one.wanted(customer_id="ann", income=1.0, segment="") == ["ann"]
    assert one.row({"customer_id": "ann", "income": 1.0, "segment": ""}, ANN) == [1, 7, ""]
    assert one.row({"customer_id": "ann", "visits": 0}, ANN) == [4000, 0, "gold"]


def test_a_request_that_says_everything_looks_nothing_up(one: Contract) -> None:
    assert one.wanted(customer_id="ann", **ALL) == []
    assert one.row({"customer_id": "ann", **ALL}) == [10, 3, "new"]
    assert one.wanted(customer_id="ann", visits=0, income=0, segment="") == []
    assert one.row({"customer_id": "ann", "visits": 0, "income": 0, "segment": ""}) == [0, 0, ""]


def test_a_column_that_no_field_feeds_is_always_looked_up(tmp_path: Path) -> None:
    both = contract(tmp_path, CUSTOMER_ONLY, NUMBERS, TEXT, TREND)
    assert both.wanted(customer_id="ann", **ALL) == ["ann"]
    assert both.row({"customer_id": "ann", **ALL}, ANN) == [10, 3, "new", 0.75]


def test_a_method_may_take_all_of_its_columns_from_an_entity(tmp_path: Path) -> None:
    alone = contract(tmp_path, f"string shop_id = 1 [{entity('shops', 'shop_')}];", SHOP)
    assert alone.wanted(shop_id="9") == ["9"]
    assert alone.row({"shop_id": "9"}, SHOP_9) == [0.125]
    with pytest.raises(InvalidFields) as refused:
        alone.row({})
    assert refused.value.violations == (("shop_id", "is required"),)


def test_an_entity_that_is_optional_may_be_left_out_for_the_defaults_of_its_view(tmp_path: Path) -> None:
    optional = f"string shop_id = 5 [(google.api.field_behavior) = OPTIONAL, {entity('shops', 'shop_')}];"
    either = contract(tmp_path, CUSTOMER_ONLY + optional, NUMBERS, SHOP, TEXT)
    assert either.wanted(customer_id="ann") == ["ann", None]
    assert either.row({"customer_id": "ann"}, ANN, NO_FEATURES) == [4000, 7, 0.25, "gold"]
    assert either.row({"customer_id": "ann", "shop_id": "9"}, ANN, SHOP_9) == [4000, 7, 0.125, "gold"]
    with_null = features(LEADS, None, 4000.0, "gold", 0.75, None)
    assert either.row({"customer_id": "ann"}, with_null, NO_FEATURES) == [4000, 1, 0.25, "gold"]
    assert either.row({"customer_id": "ann", **ALL}) == [10, 3, 0.25, "new"]
    assert either.info({"customer_id": "ann"}, ANN, NO_FEATURES).feature_status == FRESH
    with pytest.raises(InvalidFields, match="shop_id: must have at most 512 bytes"):
        either.row({"customer_id": "ann", "shop_id": "9" * 600}, ANN, NO_FEATURES)


def test_several_fields_may_make_an_id_together(tmp_path: Path) -> None:
    place = "(erpml.annotations.v1.entity) = { view: 'shops' prefix: 'shop_' join: 'street' }"
    joined = f"string shop_id = 5 [{REQUIRED}, {place}]; string street = 7 [{REQUIRED}];"
    both = contract(tmp_path, joined, SHOP)
    assert both.wanted(shop_id="9", street="a/b") == ["9/a/b"]
    assert both.row({"shop_id": "9", "street": "a/b"}, SHOP_9) == [0.125]
    for fields, told in (
        ({"shop_id": "9"}, "street: is required; shop_id: says nothing without street"),
        ({"street": "a"}, "shop_id: is required"),
        ({"shop_id": "9/a", "street": "b"}, "only the last of them may contain '/'"),
        ({"shop_id": "9", "street": "a" * 600}, "must have at most 512 bytes in UTF-8 with street"),
    ):
        assert not both.wanted(**fields)
        with pytest.raises(InvalidFields, match=told):
            both.row(fields)


def test_a_field_that_is_no_text_makes_no_id(tmp_path: Path) -> None:
    place = "(erpml.annotations.v1.entity) = { view: 'shops' prefix: 'shop_' join: 'street' }"
    found = compiled(tmp_path, lead(f"string shop_id = 5 [{place}]; int32 street = 7;"), served(SHOP), SHOPS)
    assert "field 'shop_id' joins 'street', which is no string" in found.refused[SINGLE].message


def test_stored_values_are_written_into_the_request_for_decisions_to_see(one: Contract) -> None:
    request, _ = one.take({"customer_id": "ann"}, ANN)
    assert (request.message.visits, request.message.income, request.message.segment) == (7, 4000, "gold")


def test_several_entities_are_looked_up_together_each_where_it_is_needed(two: Contract) -> None:
    assert two.wanted(customer_id="ann", shop_id="9") == ["ann", "9"]
    assert two.wanted(customer_id="ann", shop_id="9", **ALL) == [None, "9"]
    assert two.wanted(customer_id="ann", shop_id="9", x=0.5) == ["ann", None]
    assert two.wanted(customer_id="ann", shop_id="9", x=0.5, **ALL) == []
    assert two.row({"customer_id": "ann", "shop_id": "9"}, ANN, SHOP_9) == [4000, 7, 0.125, "gold"]
    assert two.row({"customer_id": "ann", "shop_id": "9", **ALL}, NO_FEATURES, SHOP_9) == [10, 3, 0.125, "new"]
    assert two.row({"customer_id": "ann", "x": 0.5}, ANN, NO_FEATURES) == [4000, 7, 0.5, "gold"]


def test_two_entities_of_one_view_are_told_apart_by_their_prefixes(tmp_path: Path) -> None:
    route = f"string from = 1 [{entity('shops', 'from_')}]; string to = 2 [{entity('shops', 'to_')}];"
    inputs = served(type(SHOP)("risks", "FP32", (2,), ("to_risk", "from_risk"))).signature.inputs
    roads = contract(tmp_path, route.replace("from =", "origin =").replace("to =", "goal ="), *inputs)
    assert roads.row({"origin": "a", "goal": "b"}, SHOP_9, features(SHOPS, 0.5, 0.0)) == [0.5, 0.125]


@pytest.mark.parametrize(
    ("fields", "given", "violations"),
    [
        ({}, (), {"customer_id": "is required", "shop_id": "is required, or all of x"}),
        ({"customer_id": "ann"}, (ANN, NO_FEATURES), {"shop_id": "is required, or all of x"}),
        ({"shop_id": "9"}, (NO_FEATURES, SHOP_9), {"customer_id": "is required"}),
        ({"customer_id": "ann", "x": inf}, (ANN, NO_FEATURES), {"x": "must be a finite number, got inf; leave it out"}),
        ({"customer_id": "a", "visits": -1, "x": 0.5}, (ANN, NO_FEATURES), {"visits": "must be at least 0"}),
        ({"customer_id": "ü" * 257, "x": 0.5}, (), {"customer_id": "must have at most 512 bytes in UTF-8"}),
        ({"x": 0.5, **ALL}, (), {"customer_id": "is required"}),
    ],
)
def test_what_is_missing_is_named_with_what_may_stand_for_it(
    two: Contract, fields: Fields, given: tuple[Features, ...], violations: dict[str, str]
) -> None:
    with pytest.raises(InvalidFields) as refused:
        two.row(fields, *given)
    told = dict(refused.value.violations)
    assert told.keys() == violations.keys()
    assert all(told[field].startswith(need) for field, need in violations.items()), told


def test_an_id_is_1_to_512_bytes_and_nobody_is_looked_up_by_another(one: Contract) -> None:
    assert one.wanted(customer_id="ü" * 256) == ["ü" * 256]
    assert one.wanted(customer_id="ü" * 256 + "x") == []
    assert one.wanted() == []
    assert one.row({"customer_id": "ü" * 300, **ALL}) == [10, 3, "new"]


@pytest.mark.parametrize(
    ("values", "row", "status"),
    [
        ((7, 4000.0, "gold"), [4000, 7, "gold"], FRESH),
        ((None, 4000.0, "gold"), [4000, 1, "gold"], DEFAULT),
        ((7, 4000.0, None), [4000, 7, "none"], DEFAULT),
        ((7, None, "gold"), [None, 7, "gold"], FRESH),
        ((7, nan, "gold"), [None, 7, "gold"], FRESH),
        ((7, -1.0, "gold"), [None, 7, "gold"], DEFAULT),
        ((7, inf, "gold"), [None, 7, "gold"], DEFAULT),
        ((101, 4000.0, "gold"), [4000, 1, "gold"], DEFAULT),
        ((-1, 4000.0, "gold"), [4000, 1, "gold"], DEFAULT),
        ((-1, None, None), [None, 1, "none"], DEFAULT),
        ((0, -0.0, "\0ü"), [0, 0, "\0ü"], FRESH),
    ],
)
def test_a_null_or_what_the_contract_would_refuse_is_missing_and_a_default_in_its_place_is_told(
    one: Contract, values: tuple[Value, ...], row: list[Any], status: FeatureStatus
) -> None:
    given = features(LEADS, *values, 0.0, None)
    found = [None if value != value else value for value in one.row({"customer_id": "ann"}, given)]  # noqa: PLR0124 - NaN
    assert found == row
    assert one.info({"customer_id": "ann"}, given).feature_status == status
    request, _ = one.take({"customer_id": "ann"}, given)
    assert request.message.HasField("income") == (row[0] is not None)


def test_a_null_that_is_not_used_degrades_nothing(one: Contract) -> None:
    given = features(LEADS, None, 4000.0, "gold", None, None)
    assert one.info({"customer_id": "ann", "visits": 3}, given).feature_status == FRESH


def test_negative_zero_stays_what_it_is(one: Contract) -> None:
    assert str(one.row({"customer_id": "ann"}, features(LEADS, 0, -0.0, "", 0.0, None))[0]) == "-0.0"


def test_a_stored_number_that_its_field_cannot_hold_is_missing(tmp_path: Path) -> None:
    wide = view("wide", Column("count", FeatureType.INT64, 5), Column("rate", FeatureType.FLOAT64, 0.5))
    fields = f"string id = 1 [{entity('wide')}]; optional int32 n = 2 [{fed('count')}];"
    fields += f"optional float r = 3 [{fed('rate')}];"
    both = contract(tmp_path, fields, type(SHOP)("x", "FP64", (2,), ("count", "rate")), views=(wide,))
    assert both.row({"id": "a"}, features(wide, 2**31 - 1, 1e38)) == [2**31 - 1, 1e38]
    assert both.row({"id": "a"}, features(wide, 2**31, 1e39)) == [5, 0.5]


@pytest.mark.parametrize(
    ("ann", "shop", "status", "age_ms"),
    [
        (FRESH, FRESH, FRESH, 500),
        (STALE, FRESH, STALE, 500),
        (FRESH, DEFAULT, DEFAULT, 500),
        (DEFAULT, STALE, DEFAULT, 300),
        (DEFAULT, DEFAULT, DEFAULT, 0),
    ],
)
def test_an_answer_says_the_worst_status_and_the_age_of_the_oldest_row(
    two: Contract, ann: FeatureStatus, shop: FeatureStatus, status: FeatureStatus, age_ms: int
) -> None:
    now = time_ns() // 1_000_000
    time_of = {DEFAULT: 0}
    given = (
        ANN._replace(status=ann, event_time_ms=time_of.get(ann, now - 500)),
        SHOP_9._replace(status=shop, event_time_ms=time_of.get(shop, now - 300)),
    )
    info = two.info({"customer_id": "ann", "shop_id": "9"}, *given)
    assert info.feature_status == status
    assert age_ms <= info.feature_age_ms <= age_ms + 199 * bool(age_ms)


def test_an_answer_without_stored_features_says_so(two: Contract) -> None:
    info = two.info({"customer_id": "ann", "x": 0.5, **ALL})
    assert (info.feature_status, info.feature_age_ms) == (FeatureStatus.NOT_USED, 0)


def test_a_row_from_the_future_has_no_age(one: Contract) -> None:
    later = ANN._replace(event_time_ms=time_ns() // 1_000_000 + 60_000)
    assert one.info({"customer_id": "ann"}, later).feature_age_ms == 0


def test_refused_features_refuse_the_call(one: Contract) -> None:
    for _ in range(2):
        with pytest.raises(Unavailable) as refused:
            one.row({"customer_id": "ann"}, REFUSED)
        assert refused.value is REFUSED.refusal


def items_of(contract: Contract, *items: Fields) -> Any:
    """Returns a batch of these items."""
    return contract.batch.request(items=[contract.single.request(**item) for item in items])


def test_a_batch_looks_up_all_of_its_items_and_each_has_its_own(two: Contract) -> None:
    complete = {"customer_id": "c", "x": 0.5, **ALL}
    message = items_of(two, {"customer_id": "ann", "shop_id": "9"}, complete, {"customer_id": "bob", "x": 0.25}, {})
    request, wanted = two.ask(two.batch, message)
    assert [lookup and lookup.entity for lookup in wanted] == ["ann", "9", None, None, "bob", None, None, None]
    given = [ANN, SHOP_9, NO_FEATURES, NO_FEATURES, REFUSED, NO_FEATURES, NO_FEATURES, NO_FEATURES]
    inputs, left_out = two.batch.rows(request, two.arm, given)
    assert (inputs.rows, sorted(left_out), left_out[2]) == (2, [2, 3], REFUSED.refusal)
    assert struct.unpack("<4d", inputs.data[0]) == (4000, 7, 10, 3)
    outputs = Tensors(2, ((2,),), (struct.pack("<4f", 0.25, 0.75, 0.5, 0.5),))
    results = two.batch.response.FromString(two.batch.answer(request, left_out, outputs, two.arm, given)).results
    assert [result.WhichOneof("result") for result in results] == ["response", "response", "error", "error"]
    assert [result.response.info.feature_status for result in results[:2]] == [FRESH, FeatureStatus.NOT_USED]
    assert results[2].error.code == 14
    assert "customer_id: is required" in results[3].error.message


def test_a_batch_that_says_everything_looks_nothing_up(two: Contract) -> None:
    complete = {"customer_id": "c", "x": 0.5, **ALL}
    request, wanted = two.ask(two.batch, items_of(two, complete, complete))
    assert wanted == []
    inputs, left_out = two.batch.rows(request, two.arm, wanted)
    assert (inputs.rows, left_out) == (2, {})


@pytest.mark.parametrize(("items", "reason"), [(0, "INVALID_FIELD"), (5, "BATCH_TOO_LARGE")])
def test_a_batch_with_too_many_items_looks_nothing_up(two: Contract, items: int, reason: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        two.ask(two.batch, items_of(two, *[{"customer_id": "ann"}] * items))
    assert refused.value.reason == reason


def test_a_method_without_entities_looks_nothing_up(tmp_path: Path) -> None:
    plain = contract(tmp_path, f"optional double income = 3 [{fed('income')}];", type(SHOP)("income", "FP64", (1,)))
    assert plain.wanted(income=1.0) == []
    assert isnan(plain.row({})[0])
