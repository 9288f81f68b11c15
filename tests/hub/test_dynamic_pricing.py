"""The demand model of prices: tables made of the data, what was known before a week, and a graph that answers alike."""

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from erpml.annotations.v1 import annotations_pb2
from erpml.online_sales.v1 import pricing_service_pb2 as pricing
from xgboost import XGBRegressor

from converters import InputSpec, convert
from hub.features.declared import declared_views
from hub.training.dynamic_pricing import VIEW, fit, measure
from hub.training.native import native_answers
from hub.training.orange_juice import DEMAND, ITEM, OUNCES, tabulate
from hub.training.pricing_history import FEATURES, TIME, item_history, with_history

PREMIUM, LARGE = "2/tropicana-premium-64oz", "2/dominicks-128oz"


@pytest.fixture
def weeks() -> pd.DataFrame:
    """Two products of a store: one in weeks 40, 41 and 43, the other in week 40."""
    prices = {f"price{number}": 0.03 for number in range(1, 12)}
    rows = [
        (1, 40, np.log(640), 0.06, 50.0, 1, 0.5),
        (1, 43, np.log(2560), 0.05, 25.0, 0, 0.0),
        (1, 41, np.log(1280), 0.04, 25.0, 0, 0.0),
        (11, 40, np.log(1280), 0.02, 10.0, 0, 0.0),
    ]
    table = [
        prices
        | {"store": 2.0, "brand": float(brand), "week": float(week), "logmove": logs, f"price{brand}": price}
        | {"profit": profit, "deal": deal, "feat": feat}
        for brand, week, logs, price, profit, deal, feat in rows
    ]
    return tabulate(pd.DataFrame(table))


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """Weeks whose demand falls with the price and rises with that of others."""
    random = np.random.default_rng(0)
    table = pd.DataFrame({name: random.integers(100, 500, 4_000) for name in FEATURES}, dtype="float64")
    table[DEMAND] = np.round(1e5 * table["competitor_mean_price_minor"] / table["price_minor"] ** 2) + 1
    return table.assign(**{OUNCES: 64})


@pytest.fixture(scope="module")
def estimator(rows: pd.DataFrame) -> XGBRegressor:
    return fit(rows, {"objective": "reg:gamma", "n_estimators": 40, "max_depth": 4, "n_jobs": 1})


def test_prices_are_of_packs_in_cents_and_demand_is_in_packs(weeks: pd.DataFrame) -> None:
    assert weeks[ITEM].tolist() == [LARGE, PREMIUM, PREMIUM, PREMIUM]
    assert weeks["week"].tolist() == [40, 40, 41, 43]
    assert weeks["price_minor"].tolist() == [256, 384, 256, 320]
    assert weeks["unit_cost_minor"].tolist() == [230, 192, 192, 240]
    assert weeks[DEMAND].tolist() == [10, 10, 20, 40]
    assert weeks["on_deal"].tolist() == [False, True, False, False]


def test_competitors_are_the_other_products_for_as_much_as_the_pack_holds(weeks: pd.DataFrame) -> None:
    assert weeks["competitor_lowest_price_minor"].tolist() == [384, 192, 192, 192]
    assert weeks["competitor_mean_price_minor"].tolist() == [384, 192, 192, 192]


def test_what_is_known_before_a_week_is_of_the_weeks_before(weeks: pd.DataFrame) -> None:
    known = with_history(weeks, item_history(weeks))
    assert known["week"].tolist() == [41, 43]  # nothing was known before the first week of an item
    assert known["current_price_minor"].tolist() == [384, 256]
    assert known["unit_cost_minor"].tolist() == [192, 192]
    assert known["last_week_demand"].tolist() == [10, 20]
    assert known["usual_demand"].tolist() == pytest.approx([10, 200**0.5])
    assert known["usual_price_minor"].tolist() == [384, 320]
    assert known["price_minor"].tolist() == [256, 320]
    assert known["on_deal"].tolist() == [0, 0]


def test_recent_is_of_eight_weeks_and_usual_of_all() -> None:
    weeks = pd.DataFrame(dict.fromkeys((*FEATURES, DEMAND), 1.0), index=range(10))
    weeks = weeks.assign(**{ITEM: "a", "week": range(10), "price_minor": [900] + [100] * 9})
    last = item_history(weeks).iloc[-1]
    assert (last["recent_price_minor"], last["usual_price_minor"]) == (100, 180)


def test_a_row_of_the_view_counts_from_the_end_of_its_week(weeks: pd.DataFrame) -> None:
    history = item_history(weeks)
    assert history[TIME].iloc[0] == pd.Timestamp("1990-06-21", tz="UTC")  # 40 weeks after 1989-09-14
    declared = next(view for view in declared_views() if view.view == VIEW)
    assert set(history.columns) == {ITEM, TIME, *(column.name for column in declared.columns)}


def test_every_column_of_the_model_has_a_field_and_all_but_the_price_are_stored() -> None:
    fed = [
        field.GetOptions().Extensions[annotations_pb2.input].column
        for message in (pricing.OptimizePriceRequest, pricing.PricePoint)
        for field in message.DESCRIPTOR.fields
    ]
    stored = {column.name for view in declared_views() if view.view == VIEW for column in view.columns}
    assert sorted(filter(None, fed)) == sorted(FEATURES)
    assert set(FEATURES) - stored == {"price_minor"}


def test_demand_never_rises_with_the_price(estimator: XGBRegressor, rows: pd.DataFrame) -> None:
    prices = np.arange(50, 600)
    for _, row in rows[list(FEATURES)].head(20).iterrows():
        curve = estimator.predict(pd.DataFrame([row] * len(prices)).assign(price_minor=prices))
        assert (np.diff(curve) <= 0).all()
        assert curve[0] > curve[-1] > 0


def test_its_metrics_find_the_elasticity_of_the_data(estimator: XGBRegressor, rows: pd.DataFrame) -> None:
    metrics = measure(estimator, rows)
    assert metrics["r2_log_demand"] > 0.9
    assert metrics["price_elasticity"] == pytest.approx(-2, abs=0.3)


def test_its_graph_answers_as_it_does(estimator: XGBRegressor, rows: pd.DataFrame) -> None:
    sample = rows[list(FEATURES)]
    spec = InputSpec(FEATURES, ("FP64",) * len(FEATURES))
    graph = onnxruntime.InferenceSession(convert(estimator, spec, sample).onnx, providers=["CPUExecutionProvider"])
    (served,) = graph.run(["prediction"], {"input": sample.to_numpy()})
    np.testing.assert_allclose(served, native_answers(estimator, sample)["prediction"], rtol=1e-4)
