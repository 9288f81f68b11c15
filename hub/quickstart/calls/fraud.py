"""Scores card transactions that training never saw."""

from hub.quickstart.calls.place import Place
from hub.quickstart.scoring import measure_fraud_auc
from hub.quickstart.steps import Steps
from hub.quickstart.transactions import read_transactions


def show(place: Place, steps: Steps) -> None:
    """Scores them all."""
    with steps.step("score card transactions, which are synthetic") as say:
        requests, fraud = read_transactions(place.var / "data")
        auc = measure_fraud_auc(place.channel, requests, fraud)
        say(f"AUC over {len(requests):,} held-out transactions: {auc:.4f}")
