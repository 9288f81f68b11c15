"""Pairs of customers and products to learn from: what was bought within a month, and samples of what was not."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hub.training.baskets import Purchases
from hub.training.purchase_features import PurchaseFeatures

FEWEST_LINES = 10  # of a product, for it to be ranked
_NOT_BOUGHT = 100  # sampled for each customer
_BY_POPULARITY = 0.5  # share of those that is sampled by popularity, rather than evenly


@dataclass(frozen=True, slots=True)
class Pairs:
    """Customers and products by their numbers, each `[pairs]`.

    Attributes:
        customer: The customers.
        product: The products.
        bought: 1 where the customer bought the product, 0 where not.
        weight: How many pairs each stands for.
    """

    customer: NDArray[np.int64]
    product: NDArray[np.int64]
    bought: NDArray[np.float32]
    weight: NDArray[np.float32]


def ranked_products(features: PurchaseFeatures) -> NDArray[np.int64]:
    """Returns the products that are ranked: those known well enough."""
    return np.flatnonzero(features.lines >= FEWEST_LINES)


def bought_later(features: PurchaseFeatures, later: Purchases) -> dict[int, NDArray[np.int64]]:
    """Returns which of the ranked products each customer bought later, of the customers who had bought before."""
    table = pd.DataFrame({"customer": later.customer, "product": later.product}).drop_duplicates()
    known = (features.trips[table["customer"]] > 0) & (features.lines[table["product"]] >= FEWEST_LINES)
    groups = table[known].groupby("customer")["product"]
    return {int(customer): products.to_numpy() for customer, products in groups}


def sample_pairs(
    features: PurchaseFeatures, truth: dict[int, NDArray[np.int64]], customers: int, generator: np.random.Generator
) -> Pairs:
    """Samples customers: all that each bought, and of the rest so many pairs that their weights stand for all of it.

    Args:
        features: What is known of products.
        truth: What customers bought later.
        customers: Most customers.
        generator: Source of chance.
    """
    chosen = generator.permutation(np.fromiter(truth, np.int64))[:customers]
    bought = [truth[customer] for customer in chosen]
    positive = (np.repeat(chosen, [len(products) for products in bought]), np.concatenate(bought))
    products = ranked_products(features)
    popularity = features.lines[products] / features.lines[products].sum()
    chance = (1 - _BY_POPULARITY) / len(products) + _BY_POPULARITY * popularity
    drawn = generator.choice(len(products), len(chosen) * _NOT_BOUGHT, p=chance)
    negative = (np.repeat(chosen, _NOT_BOUGHT), products[drawn])
    new = ~pd.MultiIndex.from_arrays(negative).isin(pd.MultiIndex.from_arrays(positive))
    weight = 1 / (chance[drawn] * _NOT_BOUGHT)
    return Pairs(
        customer=np.concatenate([positive[0], negative[0][new]]),
        product=np.concatenate([positive[1], negative[1][new]]),
        bought=np.repeat(np.array([1, 0], dtype=np.float32), [len(positive[0]), new.sum()]),
        weight=np.concatenate([np.ones(len(positive[0])), weight[new]], dtype=np.float32),
    )
