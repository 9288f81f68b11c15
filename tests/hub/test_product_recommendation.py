"""Recommendations are learnt from the past alone; the network answers all at once, and in ONNX, as row by row."""

import io
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from converters import convert
from hub.training.baskets import CUSTOMER, DAY, LOCATION, PRODUCT, Purchases, number_lines, parse_lines
from hub.training.native import describe_columns
from hub.training.product_recommendation import fit, measure
from hub.training.purchase_features import COLUMNS, PurchaseFeatures, history_rows, learn_features
from hub.training.purchase_pairs import bought_later, ranked_products, sample_pairs
from hub.training.ranking import gain, log_odds, measure_ranking
from hub.training.recommender import Recommender

CUT = pd.Timestamp("2001-02-01")
TABLE = (
    '\ufeff"TRANSACTION_DT","CUSTOMER_ID","AGE_GROUP","PIN_CODE","PRODUCT_SUBCLASS","PRODUCT_ID","AMOUNT"\n'
    '"2/3/2001","0017","25-29","115","1","4711","2"\n"11/1/2000","0020","","Others","1","0815","1"\n'
)


def draw_lines() -> pd.DataFrame:
    """Each of 80 customers has favourites among 40 products, and buys them all winter."""
    generator = np.random.default_rng(0)
    customer = generator.integers(0, 80, 4000)
    product = np.where(generator.random(4000) < 0.7, customer // 2 % 40, generator.integers(0, 40, 4000) ** 2 // 40)
    product = (product + generator.integers(0, 3, 4000)) % 40
    days = pd.Timestamp("2000-11-01") + pd.to_timedelta(np.sort(generator.integers(0, 120, 4000)), unit="D")
    return pd.DataFrame(
        {
            DAY: days,
            CUSTOMER: [f"c{number}" for number in customer],
            LOCATION: [("115", "221", "Others")[number % 3] for number in customer],
            PRODUCT: [f"p{number}" for number in product],
        }
    )


LINES = draw_lines()


@pytest.fixture(scope="module")
def purchases() -> Purchases:
    return number_lines(LINES)


@pytest.fixture(scope="module")
def features(purchases: Purchases) -> PurchaseFeatures:
    return learn_features(purchases, CUT)


@pytest.fixture(scope="module")
def model(purchases: Purchases) -> Recommender:
    before = learn_features(purchases, pd.Timestamp("2001-01-01"))
    truth = bought_later(before, purchases.within(pd.Timestamp("2001-01-01"), CUT))
    return fit(before, sample_pairs(before, truth, 80, np.random.default_rng(0)), rounds=30)


def all_pairs(features: PurchaseFeatures, customers: list[int]) -> np.ndarray:
    products = np.arange(len(features.products))
    return features.rows(np.repeat(customers, len(products)), np.tile(products, len(customers)))


def test_the_table_is_read_in_the_order_of_days_with_ids_as_they_are() -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("table.csv", TABLE)
    lines = parse_lines(archive.getvalue())
    assert lines[[CUSTOMER, LOCATION, PRODUCT]].to_numpy().tolist() == [
        ["0020", "Others", "0815"],
        ["0017", "115", "4711"],
    ]
    assert lines[DAY].dt.month.tolist() == [11, 2]


def test_what_is_numbered_once_keeps_its_number(purchases: Purchases) -> None:
    earlier = number_lines(LINES[:50])
    assert earlier.products.equals(purchases.products[: len(earlier.products)])
    assert earlier.customers.equals(purchases.customers[: len(earlier.customers)])


def test_later_purchases_change_no_feature(purchases: Purchases, features: PurchaseFeatures) -> None:
    later = purchases.day >= CUT.to_datetime64()
    changed = replace(purchases, product=np.where(later, 0, purchases.product))
    again = learn_features(changed, CUT)
    assert (changed.product != purchases.product).sum() > 500
    np.testing.assert_array_equal(again.customers, features.customers)
    np.testing.assert_array_equal(again.products, features.products)


def test_only_known_customers_and_products_are_judged(purchases: Purchases, features: PurchaseFeatures) -> None:
    later = purchases.within(CUT, None)
    new = replace(features, customers=features.customers.copy(), lines=features.lines.copy())
    new.customers[later.customer[0], -1] = 0
    new.lines[later.product[-1]] = 9
    truth = bought_later(new, later)
    assert later.customer[0] in bought_later(features, later)
    assert later.customer[0] not in truth
    assert later.product[-1] not in np.concatenate(list(truth.values()))
    assert later.product[-1] not in ranked_products(new)


def test_samples_stand_for_everything_that_was_not_bought(purchases: Purchases, features: PurchaseFeatures) -> None:
    truth = bought_later(features, purchases.within(CUT, None))
    pairs = sample_pairs(features, truth, 1000, np.random.default_rng(1))
    for customer, product, bought in zip(pairs.customer, pairs.product, pairs.bought, strict=True):
        assert (product in truth[customer]) == bool(bought)
    left = len(truth) * len(ranked_products(features)) - pairs.bought.sum()
    assert pairs.weight[pairs.bought == 0].sum() == pytest.approx(left, rel=0.05)


def test_gain_is_one_where_the_best_places_were_bought() -> None:
    ranked = np.arange(10)
    assert gain(ranked, np.array([1, 0])) == 1
    assert gain(ranked, np.arange(30)) == 1
    assert gain(ranked, np.array([10])) == 0
    assert gain(ranked, np.array([1])) == pytest.approx(1 / np.log2(3))


def test_all_products_at_once_are_scored_as_row_by_row(model: Recommender, features: PurchaseFeatures) -> None:
    there = np.flatnonzero(features.residence == 1)[:5]
    products = np.arange(len(features.products))[::-1]
    once = log_odds(model, features, there, products)
    with torch.no_grad():
        single = model(torch.from_numpy(all_pairs(features, list(there))))["score"].numpy().reshape(5, -1)[:, ::-1]
    np.testing.assert_allclose(1 / (1 + np.exp(-once)), single, atol=1e-6)


def test_favourites_are_ranked_above_what_is_popular(
    model: Recommender, purchases: Purchases, features: PurchaseFeatures
) -> None:
    metrics = measure(model, features, bought_later(features, purchases.within(CUT, None)))
    assert metrics["ndcg_at_10"] > metrics["ndcg_at_10_by_popularity"] + 0.1
    truth = bought_later(features, purchases.within(CUT, None))
    strangers = replace(features, customers=np.zeros_like(features.customers))
    assert measure_ranking(model, strangers, truth, ranked_products(features)) < metrics["ndcg_at_10"] - 0.1


def test_reasons_are_true(model: Recommender, features: PurchaseFeatures) -> None:
    rows = torch.from_numpy(all_pairs(features, list(range(80))))
    reasons = model(rows)["reason"].numpy()
    bought = (rows[:, 16:32] == rows[:, -1:]).any(1).numpy()
    parts = torch.stack(model.parts(*model.signals(rows)), dim=1).detach().numpy()
    assert bought[reasons == 1].all()
    assert (reasons == 1).sum() > 50
    assert (parts.max(axis=1)[reasons == 0] <= 0).all()
    np.testing.assert_array_equal(parts.argmax(axis=1)[reasons > 0], reasons[reasons > 0] - 1)


def test_a_new_customer_gets_no_reason_of_past_purchases(model: Recommender, features: PurchaseFeatures) -> None:
    new = replace(features, customers=np.zeros_like(features.customers))
    reasons = model(torch.from_numpy(all_pairs(new, [0, 1, 2])))["reason"]
    assert set(reasons.tolist()) <= {0, 3, 4}


def test_an_unknown_product_matches_no_empty_place(model: Recommender) -> None:
    rows = torch.zeros((1, len(COLUMNS)))
    rows[0, 32:48] = 5  # weights beside the number 0, which stands for no product
    assert float(model.signals(rows)[0]) == 0


def test_views_get_a_row_for_whoever_has_purchases(purchases: Purchases, features: PurchaseFeatures) -> None:
    histories = history_rows(features, purchases, CUT.to_pydatetime())
    known = set(LINES[LINES[DAY] < CUT][CUSTOMER])
    assert set(histories["customer_taste"][CUSTOMER]) == known
    assert set(histories["location_taste"][LOCATION]) == {"115", "221", "Others"}
    columns = [name for rows in histories.values() for name in rows.columns if name in COLUMNS]
    assert columns == list(COLUMNS)


def test_the_graph_answers_as_the_network(model: Recommender, features: PurchaseFeatures) -> None:
    rows = pd.DataFrame(all_pairs(features, [0, 40]).astype(np.float64), columns=list(COLUMNS))
    conversion = convert(model, describe_columns(rows), rows, metadata={"max_batch_size": 8192})
    assert conversion.report.passed
    assert conversion.max_batch_size == 8192
    assert [(spec.name, spec.datatype) for spec in conversion.signature.outputs] == [
        ("score", "FP32"),
        ("reason", "INT64"),
    ]
