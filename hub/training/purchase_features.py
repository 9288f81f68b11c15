"""What purchases say of customers, products and areas: the stored features of the product recommendation.

Vectors say who buys what: those of products come from a truncated singular value decomposition of customers by products
(Sarwar et al., "Application of Dimensionality Reduction in Recommender System", 2000), a customer's is the sum of those
of the products bought. They mean something only beside others of the same training.
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
import scipy.sparse as sp  # type: ignore[import-untyped] # publishes no types
from numpy.typing import NDArray
from sklearn.utils.extmath import randomized_svd

from hub.training.baskets import CUSTOMER, LOCATION, PRODUCT, Purchases

VECTOR, LOCAL_VECTOR, BOUGHT = 16, 4, 16
CUSTOMER_COLUMNS = (
    *(f"taste_{number}" for number in range(1, VECTOR + 1)),
    *(f"bought_{number}" for number in range(1, BOUGHT + 1)),
    *(f"bought_weight_{number}" for number in range(1, BOUGHT + 1)),
    "trips",
)
LOCATION_COLUMNS = tuple(f"local_taste_{number}" for number in range(1, LOCAL_VECTOR + 1))
PRODUCT_COLUMNS = (
    *(f"profile_{number}" for number in range(1, VECTOR + 1)),
    *(f"local_profile_{number}" for number in range(1, LOCAL_VECTOR + 1)),
    "popularity",
    "number",
)
COLUMNS = (*CUSTOMER_COLUMNS, *LOCATION_COLUMNS, *PRODUCT_COLUMNS)

_FADING_DAYS = 45.0  # a purchase weighs 1/e after so many days
_FEWEST_CUSTOMERS = 3  # who bought a product, for it to have a vector
_USUAL_LINES = 20  # of the usual shares of areas, which are added to a product's own
_MOST_WEIGHT = 900  # lines beyond which a product counts no more for the vectors of areas
_MILLION = 1e6
_SEED = 0

Singles = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PurchaseFeatures:
    """Features by the numbers of customers, areas and products; who never bought has zeros.

    Attributes:
        customers: `[customers, CUSTOMER_COLUMNS]`: the taste; the products bought, by number from 1, of which the
            weights are largest, 0 for none; the weights, a faded number of days with a purchase; the shopping trips.
        locations: `[areas, LOCATION_COLUMNS]`.
        products: `[products, PRODUCT_COLUMNS]`: the two vectors; the logarithm of 1 plus the lines for the product in a
            million; its number from 1.
        residence: Number of the area of each customer.
        lines: Lines of each product, `[products]`.
    """

    customers: Singles
    locations: Singles
    products: Singles
    residence: NDArray[np.int64]
    lines: NDArray[np.int64]

    @property
    def trips(self) -> Singles:
        """Shopping trips of each customer."""
        return self.customers[:, -1]

    def rows(self, customer: NDArray[np.int64], product: NDArray[np.int64]) -> Singles:
        """Returns rows of the model, `[pairs, COLUMNS]`."""
        parts = (self.customers[customer], self.locations[self.residence[customer]], self.products[product])
        return np.concatenate(parts, axis=1)


def learn_features(purchases: Purchases, until: pd.Timestamp) -> PurchaseFeatures:
    """Returns the features as they are known when a day begins."""
    past = purchases.within(None, until)
    size = (len(past.customers), len(past.products))
    lines = np.bincount(past.product, minlength=size[1])
    days = pd.DataFrame({"customer": past.customer, "product": past.product, "day": past.day}).drop_duplicates()
    age_days = (until - days["day"]).dt.days.to_numpy()
    bought = _matrix(np.ones(len(days)), days["customer"], days["product"], size)
    faded = _matrix(np.exp(-age_days / _FADING_DAYS), days["customer"], days["product"], size)
    trips = np.bincount(days[["customer", "day"]].drop_duplicates()["customer"], minlength=size[0])
    taste, profile = _vectors(bought)
    local_taste, local_profile = _local_vectors(past, lines)
    numbers, weights = _heaviest(faded)
    popularity = np.log1p(lines / max(lines.sum(), 1) * _MILLION)
    return PurchaseFeatures(
        customers=_side_by_side(taste, numbers, weights, trips),
        locations=_side_by_side(local_taste),
        products=_side_by_side(profile, local_profile, popularity, np.arange(1, size[1] + 1)),
        residence=past.residence,
        lines=lines,
    )


def history_rows(features: PurchaseFeatures, purchases: Purchases, moment: datetime) -> dict[str, pd.DataFrame]:
    """Returns what the feature views are materialised from, of customers and products with purchases.

    Args:
        features: The features.
        purchases: The ids by number.
        moment: Since when they are true.
    """
    bought, sold = features.trips > 0, features.lines > 0
    return {
        "customer_taste": _history(
            CUSTOMER, purchases.customers[bought], features.customers[bought], CUSTOMER_COLUMNS, moment
        ),
        "location_taste": _history(LOCATION, purchases.locations, features.locations, LOCATION_COLUMNS, moment),
        "product_profile": _history(
            PRODUCT, purchases.products[sold], features.products[sold], PRODUCT_COLUMNS, moment
        ),
    }


def _history(entity: str, ids: pd.Index, values: Singles, columns: tuple[str, ...], moment: datetime) -> pd.DataFrame:
    rows = pd.DataFrame(values, columns=list(columns))
    rows.insert(0, entity, ids.astype(str))
    rows.insert(1, "event_time", pd.Timestamp(moment))
    return rows


def _matrix(values: NDArray[np.float64], row: pd.Series, column: pd.Series, size: tuple[int, int]) -> sp.csr_matrix:
    return sp.csr_matrix((values.astype(np.float32), (row, column)), size)


def _vectors(bought: sp.csr_matrix) -> tuple[Singles, Singles]:
    """Returns vectors of customers and of products, of length 1 or 0; rare products count more than frequent ones."""
    customers = np.bincount(bought.indices, minlength=bought.shape[1])
    rarity = np.sqrt(np.log(max(bought.shape[0], 2) / (1 + customers)).clip(0))
    counts = bought.log1p()
    weighed = sp.csr_matrix(counts @ sp.diags(np.where(customers >= _FEWEST_CUSTOMERS, rarity, 0)))
    lengths = np.sqrt(np.asarray(weighed.multiply(weighed).sum(axis=1))[:, 0])
    _, _, axes = randomized_svd(sp.diags(_inverse(lengths)) @ weighed, VECTOR, n_iter=3, random_state=_SEED)
    profile = _unit(axes.T)
    return _unit(counts @ profile), profile


def _local_vectors(past: Purchases, lines: NDArray[np.int64]) -> tuple[Singles, Singles]:
    """Returns vectors of areas and products, whose product is about how much more, as a logarithm, an area buys."""
    areas = len(past.locations)
    ones = np.ones(len(past.product), dtype=np.float32)
    own = sp.csr_matrix((ones, (past.product, past.residence[past.customer])), (len(lines), areas)).toarray()
    share = (own.sum(axis=0) + 1) / (own.sum() + areas)
    more = np.log((own + _USUAL_LINES * share) / ((lines[:, None] + _USUAL_LINES) * share))
    weight = np.sqrt(np.minimum(lines, _MOST_WEIGHT))[:, None]
    axes = np.zeros((LOCAL_VECTOR, areas))
    axes[:areas] = np.linalg.svd(more * weight, full_matrices=False)[2][:LOCAL_VECTOR]
    return _side_by_side(axes.T), _side_by_side(more @ axes.T)


def _heaviest(faded: sp.csr_matrix) -> tuple[Singles, Singles]:
    """Returns the numbers from 1 and the weights of each customer's heaviest products, zeros where there are fewer."""
    entries = pd.DataFrame({"customer": np.repeat(np.arange(faded.shape[0]), np.diff(faded.indptr))})
    entries = entries.assign(product=faded.indices, weight=faded.data)
    entries = entries.sort_values(["customer", "weight"], ascending=[True, False], kind="stable")
    place = entries.groupby("customer").cumcount()
    entries, place = entries[place < BOUGHT], place[place < BOUGHT]
    numbers = np.zeros((faded.shape[0], BOUGHT), dtype=np.float32)
    weights = np.zeros_like(numbers)
    numbers[entries["customer"], place] = entries["product"] + 1
    weights[entries["customer"], place] = entries["weight"]
    return numbers, weights


def _unit(vectors: NDArray[np.float64]) -> Singles:
    return np.asarray(vectors * _inverse(np.linalg.norm(vectors, axis=1))[:, None], dtype=np.float32)


def _inverse(lengths: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(lengths > 0, 1 / np.where(lengths > 0, lengths, 1), 0)


def _side_by_side(*parts: NDArray[np.generic]) -> Singles:
    return np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1, dtype=np.float32)
