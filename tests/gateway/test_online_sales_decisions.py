"""Prices are searched on a grid between bounds; the one with the most profit wins, the nearest of several."""

import struct
from collections.abc import Mapping
from typing import Any

import pytest
from erpml.online_sales.v1 import pricing_service_pb2 as pricing

from gateway.contracts.compilation import compile_methods
from gateway.contracts.descriptors import link
from gateway.decisions import DECISIONS
from gateway.decisions.online_sales import best_price, price_grid
from gateway.edge.status import status_of
from gateway.errors import InvalidFields, Unavailable
from gateway.feature_views import Degrade, Features, FeatureStatus, FeatureView
from gateway.types import Arm, Policy, Tensors, TensorSpec
from hub.features.declared import declared_views
from tests.gateway.models import live, version

POLICY: Policy = {"grid_points": (41.0,), "max_change": (0.2,), "min_margin": (0.05,)}
METHOD = "erpml.online_sales.v1.PricingService.OptimizePrice"


def asked(current: int | None = 200, cost: int | None = 100, **fields: Any) -> pricing.OptimizePriceRequest:
    """Returns a request whose stored values are known."""
    return pricing.OptimizePriceRequest(current_price_minor=current, unit_cost_minor=cost, **fields)


def grid(request: pricing.OptimizePriceRequest, **policy: tuple[float, ...]) -> list[int]:
    """Returns the prices that are laid for a request."""
    return [point.price_minor for point in price_grid({**POLICY, **policy})(request)]


def best(
    request: pricing.OptimizePriceRequest, demand: Mapping[int, float], policy: Policy = POLICY
) -> pricing.OptimizePriceResponse:
    """Returns the decision on prices with the demand at each."""
    curve = [pricing.DemandPoint(price_minor=price, expected_demand=wanted) for price, wanted in demand.items()]
    filled: Any = best_price(policy)(request, pricing.OptimizePriceResponse(curve=curve))
    assert set(filled) == set(DECISIONS[METHOD].fills)
    return pricing.OptimizePriceResponse(**filled)


def faults(request: pricing.OptimizePriceRequest, demand: Mapping[int, float] | None = None) -> dict[str, str]:
    """Returns why a request is refused, by field: when prices are laid, or when one is chosen among these."""
    with pytest.raises(InvalidFields) as caught:
        _ = grid(request) if demand is None else best(request, demand)
    return dict(caught.value.violations)


def test_a_grid_lies_evenly_between_the_bounds_and_ends_on_them() -> None:
    assert grid(asked()) == list(range(160, 241, 2))
    assert grid(asked(), grid_points=(5.0,)) == [160, 180, 200, 220, 240]
    assert grid(asked(min_price_minor=190, max_price_minor=210), grid_points=(3.0,)) == [190, 200, 210]


def test_prices_of_a_grid_are_whole_minor_units_and_each_there_once() -> None:
    assert grid(asked(current=7, cost=1, max_change=0.3)) == [5, 6, 7, 8, 9]
    assert grid(asked(current=199, cost=150)) == sorted(set(grid(asked(current=199, cost=150))))


def test_the_margin_is_a_bound_that_a_price_may_hit() -> None:
    prices = grid(asked(cost=140, min_margin=0.3, max_change=0.1), grid_points=(2.0,))
    assert prices == [200, 220]  # 140 is 70 % of 200
    assert grid(asked(cost=161, min_margin=0.3), grid_points=(2.0,)) == [
        200,
        230,
        240,
    ]  # 161 / 0.7 is 230, or a bit more
    assert grid(asked(cost=141, min_margin=0.3, max_change=0.1), grid_points=(2.0,)) == [200, 202, 220]


def test_the_current_price_is_scored_even_where_it_may_not_be_chosen() -> None:
    request = asked(min_price_minor=220)
    assert grid(request)[0] == 200
    assert best(request, {200: 1000.0, 220: 1.0, 240: 2.0}).optimal_price_minor == 240


@pytest.mark.parametrize("share", [0.1, 0.15, 0.2, 0.35, 0.55])
def test_a_change_of_exactly_the_widest_share_may_be_chosen(share: float) -> None:
    prices = grid(asked(cost=1, max_change=share))
    assert (prices[0], prices[-1]) == (round(200 * (1 - share)), round(200 * (1 + share)))


def test_no_change_leaves_the_current_price() -> None:
    assert grid(asked(max_change=0.0)) == [200]


def test_the_price_with_the_most_profit_is_best() -> None:
    answer = best(asked(), {180: 50.0, 200: 40.0, 220: 35.0, 240: 10.0})
    assert (answer.current_price_minor, answer.optimal_price_minor) == (200, 220)
    assert answer.change_percent == pytest.approx(10)
    assert (answer.expected_demand, answer.expected_sales, answer.expected_profit_minor) == (35, 35, 4200)
    assert answer.expected_impact.demand_change_percent == pytest.approx(-12.5)
    assert answer.expected_impact.profit_change_minor == 200
    assert answer.currency_code == "USD"


def test_no_more_is_sold_than_there_is() -> None:
    demand = {180: 50.0, 200: 40.0, 220: 35.0, 240: 30.0}
    answer = best(asked(stock_units=20), demand)
    assert (answer.optimal_price_minor, answer.expected_demand, answer.expected_sales) == (240, 30, 20)
    assert answer.expected_profit_minor == 2800
    assert best(asked(stock_units=31), demand).expected_sales == 30


def test_without_stock_the_price_stays_as_it_is() -> None:
    answer = best(asked(stock_units=0), {180: 50.0, 200: 40.0, 220: 35.0})
    assert (answer.optimal_price_minor, answer.change_percent, answer.expected_sales) == (200, 0, 0)
    assert answer.expected_profit_minor == 0


def test_of_equal_profits_the_nearest_price_is_best_and_then_the_lower() -> None:
    assert best(asked(cost=0), {160: 30.0, 240: 20.0, 220: 1.0}).optimal_price_minor == 160
    assert best(asked(cost=0), {160: 30.0, 192: 25.0, 240: 20.0}).optimal_price_minor == 192


def test_a_single_candidate_is_best_if_it_lies_within_bounds() -> None:
    answer = best(asked(), {240: 7.0})
    assert (answer.optimal_price_minor, answer.expected_demand) == (240, 7)
    assert not answer.expected_impact.HasField("profit_change_minor")
    assert not answer.expected_impact.HasField("demand_change_percent")
    assert faults(asked(), {241: 7.0}) == {
        "candidate_prices": "must have a price from 160 to 240, the bounds that the other fields leave"
    }


def test_a_change_of_demand_from_nothing_has_no_percentage() -> None:
    impact = best(asked(), {200: 0.0, 180: 4.0}).expected_impact
    assert not impact.HasField("demand_change_percent")
    assert impact.profit_change_minor == 320


@pytest.mark.parametrize(
    ("fields", "lower", "upper", "told"),
    [
        (
            {"min_price_minor": 210, "max_price_minor": 209},
            "min_price_minor",
            "max_price_minor",
            "leaves no price below 210, and max_price_minor none above 209; lower it, or raise max_price_minor",
        ),
        (
            {"max_price_minor": 180, "min_margin": 0.5},
            "min_margin",
            "max_price_minor",
            "leaves no price below 200, and max_price_minor none above 180; lower it, or raise max_price_minor",
        ),
        (
            {"cost": 300},
            "min_margin",
            "max_change",
            "leaves no price below 316, and max_change none above 240; lower it, or raise max_change",
        ),
        (
            {"max_price_minor": 150},
            "max_change",
            "max_price_minor",
            "leaves no price below 160, and max_price_minor none above 150; raise it, or raise max_price_minor",
        ),
    ],
)
def test_bounds_that_contradict_each_other_are_both_named(
    fields: dict[str, Any], lower: str, upper: str, told: str
) -> None:
    found = faults(asked(**fields))
    assert set(found) == {lower, upper}
    assert told in found[lower]
    assert f"contradicts {lower}" in found[upper]
    assert faults(asked(**fields), {200: 1.0}) == found


def test_a_product_of_which_nothing_is_known_is_refused() -> None:
    assert set(faults(asked(None, None))) == {"current_price_minor", "unit_cost_minor"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("min_price_minor", 0),
        ("max_price_minor", -1),
        ("min_margin", 1.0),
        ("min_margin", -0.1),
        ("min_margin", float("nan")),
        ("max_change", 1.1),
        ("max_change", float("nan")),
        ("stock_units", -1),
    ],
)
def test_a_bound_out_of_range_is_refused(field: str, value: Any) -> None:
    assert set(faults(asked(**{field: value}))) == {field}


def test_prices_in_no_currency_are_refused() -> None:
    assert best(asked(currency_code="EUR"), {200: 1.0}).currency_code == "EUR"
    assert set(faults(asked(currency_code="euro"), {200: 1.0})) == {"currency_code"}


@pytest.mark.parametrize(
    "change",
    [
        {"grid_points": (1.0,)},
        {"grid_points": (2.5,)},
        {"grid_points": (float("inf"),)},
        {"min_margin": (1.0,)},
        {"max_change": (-0.1,)},
        {"max_change": (0.1, 0.2)},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(change: Policy) -> None:
    with pytest.raises(ValueError, match="must be|unpack"):
        price_grid({**POLICY, **change})


@pytest.fixture(scope="module")
def view() -> FeatureView:
    """The view as it is declared; it refuses whom it does not know."""
    declared = next(each for each in declared_views() if each.view == "product_pricing")
    columns = declared.row_schema
    return FeatureView(declared.view, declared.entity, columns, declared.freshness, 0, Degrade.REFUSE)


@pytest.fixture(scope="module")
def arm(view: FeatureView) -> Arm:
    columns = ("price_minor", *(column.name for column in view.schema.columns))
    signature = TensorSpec("input", "FP64", (len(columns),), columns)
    output = TensorSpec("prediction", "FP32", (1,))
    return Arm("champion", version((signature,), (output,), model="team4_dynamic_pricing", max_batch_size=64))


@pytest.fixture(scope="module")
def method(view: FeatureView, arm: Arm) -> Any:
    """The method as a gateway compiles it."""
    own = [method for method in link({}).methods if method.full_name == METHOD]
    model = live(arm.version)
    compiled = compile_methods(own, {model.name: model}, {view.name: view}, DECISIONS, status_of)
    assert not compiled.refused
    return compiled.methods["/erpml.online_sales.v1.PricingService/OptimizePrice"]


def stored(view: FeatureView, **values: Any) -> Features:
    """Returns the features of a stock item."""
    known = {"current_price_minor": 200, "unit_cost_minor": 100, "on_deal": False} | values
    filled = tuple(known.get(column.name, 1.0) for column in view.schema.columns)
    return Features(filled, filled, FeatureStatus.FRESH, 0)


def test_a_grid_of_stored_values_is_scored_in_one_batch(method: Any, view: FeatureView, arm: Arm) -> None:
    sent = pricing.OptimizePriceRequest(store_id="2", product_id="tropicana-64oz", max_change=0.1, unit_cost_minor=150)
    request = method.parse(sent.SerializeToString())
    assert [lookup.entity for lookup in method.lookups(request, arm)] == ["2/tropicana-64oz"]
    inputs, _ = method.rows(request, arm, [stored(view)])
    width = 1 + len(view.schema.columns)
    prices = [row[0] for row in struct.iter_unpack(f"<{width}d", inputs.data[0])]
    assert prices == list(range(180, 221))
    demand = struct.pack("<41f", *(1000 - 4 * price for price in prices))
    answer = method.response.FromString(method.answer(request, {}, Tensors(41, ((1,),), (demand,)), arm))
    assert [point.price_minor for point in answer.curve] == prices
    assert (answer.current_price_minor, answer.optimal_price_minor, answer.expected_demand) == (200, 200, 200)


def test_a_product_that_is_not_stored_is_refused(method: Any, view: FeatureView, arm: Arm) -> None:
    request = method.parse(pricing.OptimizePriceRequest(store_id="2", product_id="unheard").SerializeToString())
    method.lookups(request, arm)
    nothing = (None,) * len(view.schema.columns)
    refusal = Unavailable("FEATURES_UNAVAILABLE", "not stored")
    with pytest.raises(Unavailable, match="not stored"):
        method.rows(request, arm, [Features(nothing, nothing, FeatureStatus.REFUSED, 0, refusal)])
