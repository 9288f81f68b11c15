"""Contracts whose calls have many rows: candidates that share what the request says, scored as one batch."""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gapura_features.schema import Column, FeatureType

from gateway.contracts.compilation import Compiled, compile_methods
from gateway.contracts.descriptors import link
from gateway.edge.status import status_of
from gateway.errors import InvalidFields, InvalidRequest, ModelFailed
from gateway.feature_views import NO_FEATURES, FeatureStatus, Lookup
from gateway.interfaces import Decision
from gateway.types import Arm, Tensors, TensorSpec
from tests.gateway.contract_source import REQUIRED, compile_contract, compiled, fed
from tests.gateway.feature_contract import entity, features, view
from tests.gateway.models import live, version

RANK = "/erpml.team5.v1.ShopService/RankProducts"
SHARED = (Column("taste_1", FeatureType.FLOAT32, 0.0), Column("taste_2", FeatureType.FLOAT32, 0.0))
OWN = (Column("size", FeatureType.FLOAT32, 1.0), Column("fame", FeatureType.INT32, 0))
CUSTOMERS, PRODUCTS = view("customers", *SHARED), view("products", *OWN)
INPUT = TensorSpec("input", "FP64", (5,), ("taste_1", "budget", "size", "fame", "taste_2"))
SCORE, KIND = TensorSpec("score", "FP32", (1,)), TensorSpec("kind", "INT64", (1,))

CUSTOMER = f"string customer_id = 1 [{entity('customers')}];"
BUDGET = f"optional double budget = 2 [{fed('budget', 'minimum: 0')}];"
CANDIDATES = f"repeated Candidate candidates = 3 [{REQUIRED}];"
MOST = "int32 most = 4;"
PRODUCT = f"string product_id = 1 [{entity('products')}];"
PICKED = """
  string product_id = 1 [(erpml.annotations.v1.item) = { field: 'product_id' }];
  double score = 2 [(erpml.annotations.v1.output) = { tensor: 'score' }];
  Level level = 3 [(erpml.annotations.v1.band) = { of: 'score' bounds: [0.5] }];
  Kind kind = 4 [(erpml.annotations.v1.output) = { tensor: 'kind' }];
  uint32 position = 5 [(erpml.annotations.v1.item) = { position: true }];
"""
ITEMS = (
    "repeated Picked products = 1 [(erpml.annotations.v1.items) = { order_by: 'score' most: 3 most_field: 'most' }];"
)


def shop(
    request: str = CUSTOMER + BUDGET + CANDIDATES + MOST,
    row: str = PRODUCT,
    response: str = ITEMS,
    picked: str = PICKED,
    rows: str = "candidates",
) -> str:
    """Returns a service that ranks candidates."""
    return f"""
service ShopService {{
  rpc RankProducts(RankProductsRequest) returns (RankProductsResponse) {{
    option (erpml.annotations.v1.serving) = {{ model: "team9_test" rows: "{rows}" }};
  }}
  rpc BatchRankProducts(BatchRequest) returns (BatchResponse) {{
    option (erpml.annotations.v1.serving) = {{ batch_of: "RankProducts" }};
  }}
}}
enum Level {{ LEVEL_UNSPECIFIED = 0; LEVEL_LOW = 1; LEVEL_HIGH = 2; }}
enum Kind {{ KIND_UNSPECIFIED = 0; KIND_OLD = 1; KIND_NEW = 2; }}
message RankProductsRequest {{ {request} }}
message Candidate {{ {row} }}
message RankProductsResponse {{ {response} erpml.types.v1.PredictionInfo info = 15; }}
message Picked {{ {picked} }}
message BatchRequest {{ repeated RankProductsRequest items = 1; }}
message BatchResponse {{ repeated Result results = 1; }}
message Result {{ oneof result {{ RankProductsResponse response = 1; google.rpc.Status error = 2; }} }}
"""


SERVED = version((INPUT,), (SCORE, KIND), max_batch_size=4)
ARM = Arm("champion", SERVED)
ANN = features(CUSTOMERS, 0.5, 0.25, event_time_ms=9)
TEA, PEN = features(PRODUCTS, 3.0, 7, event_time_ms=5), features(PRODUCTS, 4.0, 8, event_time_ms=6)


@pytest.fixture(scope="module")
def rank(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return compiled(tmp_path_factory.mktemp("rows"), shop(), SERVED, CUSTOMERS, PRODUCTS).methods[RANK]


def asked(rank: Any, *products: str, **fields: Any) -> Any:
    """Returns a request for candidates as the method reads it, once its lookups are known."""
    candidates = [{"product_id": product} for product in products]
    return rank.parse(rank.request(customer_id="ann", candidates=candidates, **fields).SerializeToString())


def answered(scores: Sequence[float], kinds: Sequence[int]) -> Tensors:
    """Returns outputs, a row for each score."""
    data = (np.array(scores, "<f4").tobytes(), np.array(kinds, "<i8").tobytes())
    return Tensors(len(scores), ((1,), (1,)), data)


def test_what_the_request_says_stands_in_every_row_and_each_row_has_its_own(rank: Any) -> None:
    request = asked(rank, "tea", "pen", budget=20)
    wanted = rank.lookups(request, ARM)
    assert wanted == (Lookup(CUSTOMERS, "ann"), Lookup(PRODUCTS, "tea"), Lookup(PRODUCTS, "pen"))
    inputs, left_out = rank.rows(request, ARM, [ANN, TEA, PEN])
    assert (inputs.rows, inputs.shapes, left_out) == (2, ((5,),), {})
    assert struct.unpack("<10d", inputs.data[0]) == (0.5, 20, 3, 7, 0.25, 0.5, 20, 4, 8, 0.25)
    assert (request.status, request.oldest_ms) == (FeatureStatus.FRESH, 5)


def test_the_best_rows_make_the_items_in_order(rank: Any) -> None:
    request = asked(rank, "a", "b", "c", "d", budget=20)
    rank.lookups(request, ARM)
    rank.rows(request, ARM, [ANN, TEA, PEN, TEA, PEN])
    found = rank.response.FromString(rank.answer(request, {}, answered([0.25, 0.75, 0.5, 0.75], [1, 2, 1, 2]), ARM))
    told = [(each.product_id, each.score, each.level, each.kind, each.position) for each in found.products]
    assert told == [("b", 0.75, 2, 2, 2), ("d", 0.75, 2, 2, 4), ("c", 0.5, 1, 1, 3)]
    assert found.info.feature_status == FeatureStatus.FRESH


def test_a_row_that_is_known_is_not_packed_again_until_its_features_change(rank: Any) -> None:
    for fame, product in ((7, TEA), (7, TEA), (9, features(PRODUCTS, 3.0, 9))):
        request = asked(rank, "known", budget=20)
        rank.lookups(request, ARM)
        inputs, _ = rank.rows(request, ARM, [ANN, product])
        assert struct.unpack("<5d", inputs.data[0])[3] == fame


@pytest.mark.parametrize(
    ("wanted", "told"), [(1, 1), (3, 3), (0, 3), (4, "most: must be at least 1 and at most 3, got 4"), (-1, "got -1")]
)
def test_as_many_items_come_as_are_wanted(rank: Any, wanted: int, told: int | str) -> None:
    request = asked(rank, "a", "b", "c", "d", budget=20, most=wanted)
    rank.lookups(request, ARM)
    rank.rows(request, ARM, [ANN, TEA, PEN, TEA, PEN])
    outputs = answered([0.25, 0.75, 0.5, 0.75], [1, 2, 1, 2])
    if isinstance(told, int):
        assert len(rank.response.FromString(rank.answer(request, {}, outputs, ARM)).products) == told
    else:
        with pytest.raises(InvalidFields, match=told):
            rank.answer(request, {}, outputs, ARM)


def test_a_score_that_is_no_number_fails_the_call_also_where_it_would_not_be_shown(rank: Any) -> None:
    request = asked(rank, "a", "b", budget=20, most=1)
    rank.lookups(request, ARM)
    rank.rows(request, ARM, [ANN, TEA, PEN])
    with pytest.raises(ModelFailed, match="NaN"):
        rank.answer(request, {}, answered([0.5, float("nan")], [1, 1]), ARM)


def test_no_row_and_too_many_rows_are_refused_before_anything_is_looked_up(rank: Any) -> None:
    with pytest.raises(InvalidFields, match="candidates: is required; send 1 to 4"):
        rank.lookups(asked(rank), ARM)
    with pytest.raises(InvalidRequest, match="5 candidates in one call; send at most 4"):
        rank.lookups(asked(rank, *"abcde"), ARM)


def test_a_bad_row_is_named_by_its_position(rank: Any) -> None:
    request = asked(rank, "tea", "", budget=20)
    assert rank.lookups(request, ARM)[-1] is None
    with pytest.raises(InvalidFields, match=r"candidates\[1\].product_id: is required"):
        rank.rows(request, ARM, [ANN, TEA, NO_FEATURES])


def test_an_unknown_product_has_the_defaults_and_the_answer_says_so(rank: Any) -> None:
    request = asked(rank, "unknown", budget=20)
    rank.lookups(request, ARM)
    blank = features(PRODUCTS, 1.0, 0, status=FeatureStatus.DEFAULT)
    inputs, _ = rank.rows(request, ARM, [ANN, blank])
    assert struct.unpack("<5d", inputs.data[0])[2:4] == (1, 0)
    found = rank.response.FromString(rank.answer(request, {}, answered([0.5], [1]), ARM))
    assert found.info.feature_status == FeatureStatus.DEFAULT


def prices(folder: Path, decision: Decision) -> Any:
    """Returns a method whose rows a decision may make."""
    row = f"optional double budget = 1 [{fed('budget', 'minimum: 0')}];"
    response = "repeated Picked products = 1 [(erpml.annotations.v1.items) = {}]; double best = 2;"
    picked = """optional double budget = 1 [(erpml.annotations.v1.item) = { field: 'budget' }];
                double score = 2 [(erpml.annotations.v1.output) = { tensor: 'score' }];"""
    request = CUSTOMER + "repeated Candidate candidates = 3;"
    model = version((TensorSpec("input", "FP64", (2,), ("taste_1", "budget")),), (SCORE,), max_batch_size=4)
    methods = link({"team5": compile_contract(folder, shop(request, row, response, picked))}).methods
    own = [each for each in methods if "team5" in each.service]
    decisions = {"erpml.team5.v1.ShopService.RankProducts": decision}
    found: Compiled = compile_methods(own, {"team9_test": live(model)}, {"customers": CUSTOMERS}, decisions, status_of)
    assert "is a batch itself" in found.refused[RANK.replace("Rank", "BatchRank", 1)].message
    return found.methods[RANK]


def test_a_decision_makes_the_rows_of_a_request_that_names_none(tmp_path: Path) -> None:
    def make(policy: Any) -> Any:  # noqa: ARG001 - it has none
        return lambda _: [row(budget=price) for price in (1.0, 2.0)]

    def choose(policy: Any) -> Any:  # noqa: ARG001 - it has none
        return lambda _, response: {"best": max(response.products, key=lambda each: each.score).budget}

    method = prices(tmp_path, Decision(choose, ("best",), make))
    row = type(method.request().candidates.add())
    arm = Arm("champion", version((TensorSpec("input", "FP64", (2,)),), (SCORE,)))
    for candidates, scores, best in (([], [0.25, 0.5], 2.0), ([{"budget": 7.0}], [0.25], 7.0)):
        request = method.parse(method.request(customer_id="ann", candidates=candidates).SerializeToString())
        method.lookups(request, arm)
        inputs, _ = method.rows(request, arm, [ANN])
        assert inputs.rows == len(scores)
        outputs = Tensors(len(scores), ((1,),), (np.array(scores, "<f4").tobytes(),))
        found = method.response.FromString(method.answer(request, {}, outputs, arm))
        assert (found.best, len(found.products)) == (best, len(scores))


MISFITS = {
    "rows 'shops' is no repeated field of messages": {"rows": "shops"},
    "rows 'most' is no repeated field of messages": {"rows": "most"},
    "field 'x' feeds 'fame'": {"request": CUSTOMER + CANDIDATES + MOST + f"double x = 9 [{fed('fame')}];"},
    "no request field feeds the model's column 'budget'": {"request": CUSTOMER + CANDIDATES + MOST},
    "nobody fills more": {"picked": PICKED + "double more = 9;"},
    "copies 'name', which is no field of a row": {
        "picked": PICKED + "string more = 9 [(erpml.annotations.v1.item) = { field: 'name' }];"
    },
    "give both the same type": {
        "picked": PICKED + "double more = 9 [(erpml.annotations.v1.item) = { field: 'product_id' }];"
    },
    "'more' has no source": {"picked": PICKED + "string more = 9 [(erpml.annotations.v1.item) = { name: true }];"},
    "each row has its own": {
        "response": ITEMS + "double more = 9 [(erpml.annotations.v1.output) = { tensor: 'score' }];"
    },
    "'many' is no whole number of the request": {"response": ITEMS.replace("'most'", "'many'")},
    "ordered by 'position'": {"response": ITEMS.replace("order_by: 'score'", "order_by: 'position'")},
    "must be a repeated field of messages": {
        "response": ITEMS + "double more = 9 [(erpml.annotations.v1.items) = {}];"
    },
}


@pytest.mark.parametrize("told", MISFITS)
def test_what_does_not_fit_is_refused_with_the_reason(tmp_path: Path, told: str) -> None:
    found = compiled(tmp_path, shop(**MISFITS[told]), SERVED, CUSTOMERS, PRODUCTS)
    assert told in found.refused[RANK].message


def test_a_model_without_batches_cannot_have_rows(tmp_path: Path) -> None:
    single = version((INPUT,), (SCORE, KIND), max_batch_size=0)
    assert "takes no batches" in compiled(tmp_path, shop(), single, CUSTOMERS, PRODUCTS).refused[RANK].message
