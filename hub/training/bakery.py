"""What a chain of bakeries sold: 35 stores, 3 products, every day from January 2016 to April 2019."""

import io
from pathlib import Path

import pandas as pd

from hub.training.carriers import Carrier, Member, read_member
from hub.training.dataset import read_or_create
from hub.training.pipelines import Say

ITEM = "stock_item_id"
DATE = "date"
DEMAND = "demand"
HOLIDAY = "holiday"

_CARRIER = Carrier(
    requirement="ddop==0.7.6",
    file="ddop-0.7.6.tar.gz",
    sha256="def7756324fae64e64f9318b195c1daa7c4141611543a16ba744daf3993a5da2",
    megabytes=4,
)
_DAYS = Member(
    carrier=_CARRIER,
    path="ddop-0.7.6/ddop/datasets/data/bakery_data.csv",
    sha256="7561736117e885503cf285bcd0744e8814777a4ed03749f268862511ebb6a62b",
)
_DEMAND = Member(
    carrier=_CARRIER,
    path="ddop-0.7.6/ddop/datasets/data/bakery_target.csv",
    sha256="525f7b30912ce29eebb123c5708196514081640ffb496ab940c325bddced99ab",
)


def read_demand(folder: Path, say: Say) -> pd.DataFrame:
    """Returns a row for each stock item and day: `stock_item_id`, `date`, `demand` in pieces, and `holiday`.

    A stock item is a product at a store, `<store>/<product>`. All items have the same days, without a gap; a store that
    was closed has a demand of 0. Rows come in the order of items, then of days.

    Args:
        folder: Where data is kept.
        say: Takes progress lines.

    Raises:
        HubError: The data has to be downloaded and cannot be.
    """
    return read_or_create(
        folder / "demand_forecasting/demand.parquet",
        lambda: parse(read_member(_DAYS, folder, say), read_member(_DEMAND, folder, say)),
    )


def parse(days: bytes, demand: bytes) -> pd.DataFrame:
    """Joins the two files, whose lines belong together; the column `weekday` is a day late and is not read."""
    table = pd.read_csv(
        io.BytesIO(days),
        usecols=["date", "store", "product", "is_holiday"],
        parse_dates=["date"],
        date_format="%Y-%m-%d",
    )
    sold = pd.DataFrame(
        {
            ITEM: table["store"].astype(str) + "/" + table["product"].astype(str),
            DATE: table["date"],
            DEMAND: pd.read_csv(io.BytesIO(demand))["demand"].astype("float32"),
            HOLIDAY: table["is_holiday"].astype(bool),
        }
    )
    return sold.sort_values([ITEM, DATE], kind="stable", ignore_index=True)
