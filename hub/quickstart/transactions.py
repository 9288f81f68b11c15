"""Held-out card transactions as requests that say all features, as they were at the time of each."""

from pathlib import Path

import pandas as pd
from erpml.finance.v1 import fraud_service_pb2

from hub.quickstart.requests import fill
from hub.training.transactions import CUSTOMER, MERCHANT, TARGET


def read_transactions(data: Path) -> tuple[list[fraud_service_pb2.ScoreTransactionRequest], list[bool]]:
    """Returns held-out transactions of which everything is known, so that nothing is looked up, and which were fraud.

    Args:
        data: Where training keeps its data.
    """
    held_out = pd.read_parquet(data / "fraud_detection/held_out.parquet").dropna()
    requests = [
        fill(fraud_service_pb2.ScoreTransactionRequest(customer_id=row[CUSTOMER], merchant_id=row[MERCHANT]), row)
        for row in held_out.to_dict(orient="records")
    ]
    return requests, [bool(fraud) for fraud in held_out[TARGET]]
