"""Orange juice at Dominick's Finer Foods: 11 products in 83 stores around Chicago, by weeks of 1990 to 1992."""

from pathlib import Path

import numpy as np
import pandas as pd
from rdata.conversion import convert
from rdata.parser import parse_data

from hub.training.carriers import Carrier, Member, read_member
from hub.training.dataset import read_or_create
from hub.training.pipelines import Say

ITEM = "stock_item_id"
WEEK = "week"
DEMAND = "demand"
OUNCES = "pack_ounces"

# Products by their numbers in the data, with the fluid ounces of a pack.
PRODUCTS = {
    1: ("tropicana-premium-64oz", 64),
    2: ("tropicana-premium-96oz", 96),
    3: ("floridas-natural-64oz", 64),
    4: ("tropicana-64oz", 64),
    5: ("minute-maid-64oz", 64),
    6: ("minute-maid-96oz", 96),
    7: ("citrus-hill-64oz", 64),
    8: ("tree-fresh-64oz", 64),
    9: ("florida-gold-64oz", 64),
    10: ("dominicks-64oz", 64),
    11: ("dominicks-128oz", 128),
}

_CENTS = 100
_CARRIER = Carrier(
    requirement="r-cran-bayesm=3.1-5+dfsg-1",
    file="r-cran-bayesm_3.1-5+dfsg-1_amd64.deb",
    sha256="57252e899b2e9913aa2c22938050d4b6c7a8c68ae54b909baaeb5f8130d4b75a",
    megabytes=2,
)
_ORANGE_JUICE = Member(
    carrier=_CARRIER,
    path="./usr/lib/R/site-library/bayesm/data/orangeJuice.rda",
    sha256="4418b33f320a1e91124e934d4c7e3e978812e9c60b6924037447ffc44cf71855",
)


def read_weeks(folder: Path, say: Say) -> pd.DataFrame:
    """Returns a row for each stock item and week in which it was sold, in the order of items, then of weeks.

    A stock item is a product in a store, `<store>/<product>`. Columns: `stock_item_id`, `week`, a number of 40 to 160;
    `price_minor` and `unit_cost_minor` of a pack in cents; `competitor_lowest_price_minor` and
    `competitor_mean_price_minor` of the other products of the store, for as much as the pack holds; `on_deal`, whether
    there was a coupon; `featured_share`, how much of it was advertised; `demand` in packs, and `pack_ounces`.

    Args:
        folder: Where data is kept.
        say: Takes progress lines.

    Raises:
        HubError: The data has to be downloaded and cannot be.
    """
    return read_or_create(
        folder / "dynamic_pricing/weeks.parquet",
        lambda: tabulate(convert(parse_data(read_member(_ORANGE_JUICE, folder, say)))["orangeJuice"]["yx"]),
    )


def tabulate(sales: pd.DataFrame) -> pd.DataFrame:
    """Makes the table of `read_weeks`: the data has prices by the ounce, and logarithms of ounces sold.

    Args:
        sales: `store`, `brand`, `week`, `logmove`, `price1` to `price11` in dollars, `deal`, `feat` and `profit`, the
            margin in percent.
    """
    numbers = sales["brand"].astype(int)
    ounces = numbers.map({number: ounces for number, (_, ounces) in PRODUCTS.items()}).to_numpy()
    prices = sales[[f"price{number}" for number in PRODUCTS]].to_numpy() * ounces[:, np.newaxis] * _CENTS
    of_itself = np.arange(len(sales)), numbers.to_numpy() - 1
    own = prices[of_itself].round()
    prices[of_itself] = np.nan
    weeks = pd.DataFrame(
        {
            ITEM: [f"{store:.0f}/{PRODUCTS[number][0]}" for store, number in zip(sales["store"], numbers, strict=True)],
            WEEK: sales["week"].astype("int32"),
            "price_minor": own.astype("int64"),
            "unit_cost_minor": (own * (1 - sales["profit"] / 100)).round().astype("int64"),
            "competitor_lowest_price_minor": np.nanmin(prices, axis=1).round(2),
            "competitor_mean_price_minor": np.nanmean(prices, axis=1).round(2),
            "on_deal": sales["deal"] > 0,
            "featured_share": sales["feat"].astype("float64"),
            DEMAND: (np.exp(sales["logmove"]) / ounces).round(),
            OUNCES: ounces,
        }
    )
    return weeks.sort_values([ITEM, WEEK], kind="stable", ignore_index=True)
