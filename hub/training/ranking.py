"""How well products are ranked for customers whose later purchases are known."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from hub.training.purchase_features import BOUGHT, LOCAL_VECTOR, VECTOR, PurchaseFeatures, Singles
from hub.training.recommender import Recommender

PLACES = 10
_CUSTOMERS_AT_ONCE = 100
_GAINS = 1 / np.log2(np.arange(2, PLACES + 2))

Truth = Mapping[int, NDArray[np.int64]]


def measure_ranking(model: Recommender, features: PurchaseFeatures, truth: Truth, products: NDArray[np.int64]) -> float:
    """Returns the mean NDCG@10 (Järvelin and Kekäläinen, 2002) of all products, ranked for each customer.

    Args:
        model: The model.
        features: What it knows.
        truth: Products that each customer bought later, by their numbers.
        products: The products that are ranked.
    """
    customers = np.fromiter(truth, np.int64)
    order = np.argsort(features.residence[customers], kind="stable")
    gains = []
    for area in np.unique(features.residence[customers]):
        there = customers[order][features.residence[customers[order]] == area]
        for start in range(0, len(there), _CUSTOMERS_AT_ONCE):
            chunk = there[start : start + _CUSTOMERS_AT_ONCE]
            ranked = products[_top(log_odds(model, features, chunk, products))]
            gains += [gain(row, truth[customer]) for customer, row in zip(chunk, ranked, strict=True)]
    return float(np.mean(gains))


def gain(ranked: NDArray[np.int64], bought: NDArray[np.int64]) -> float:
    """Returns the NDCG@10 of a ranking, its best products first, where all that was bought is worth the same."""
    hits = (ranked[:PLACES, None] == bought).any(axis=1)
    return float(_GAINS[: len(hits)][hits].sum() / _GAINS[: len(bought)].sum())


def log_odds(
    model: Recommender, features: PurchaseFeatures, customers: NDArray[np.int64], products: NDArray[np.int64]
) -> Singles:
    """Returns what the model says of customers of one area and products, `[customers, products]`.

    It is what the model answers row by row, but what many rows have in common is computed once.
    """
    mine, theirs = features.customers[customers], features.products[products]
    numbers, weights = mine[:, VECTOR : VECTOR + BOUGHT], mine[:, VECTOR + BOUGHT : VECTOR + 2 * BOUGHT]
    bought = np.zeros((len(customers), len(features.products) + 1), dtype=np.float32)
    bought[np.arange(len(customers))[:, None], numbers.astype(np.int64)] = weights
    nearby = features.locations[features.residence[customers[0]]] @ theirs[:, VECTOR : VECTOR + LOCAL_VECTOR].T
    signals = (
        bought[:, theirs[:, -1].astype(np.int64)],
        mine[:, :VECTOR] @ theirs[:, :VECTOR].T,
        theirs[None, :, -2],
        nearby[None, :],
        np.log1p(mine[:, -1:]),
    )
    with torch.no_grad():
        answer: Singles = model.log_odds(*map(torch.from_numpy, signals)).numpy()
    return answer


def _top(scores: Singles) -> NDArray[np.int64]:
    """Returns the places of the largest scores of each row, the largest first."""
    if scores.shape[1] > PLACES:
        best = np.argpartition(-scores, PLACES, axis=1)[:, :PLACES]
    else:
        best = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    order = np.argsort(-np.take_along_axis(scores, best, 1), axis=1, kind="stable")
    return np.take_along_axis(best, order, 1)
