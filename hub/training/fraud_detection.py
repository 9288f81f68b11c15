"""Trains team 3's fraud detection on synthetic card transactions and what was known before each of them."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier
from numpy.typing import NDArray

from hub.training.dataset import read_or_create
from hub.training.pipelines import Say
from hub.training.scores import measure
from hub.training.trained import Baseline, DataSource, TrainedModel
from hub.training.transaction_history import CUSTOMERS, MERCHANTS, customer_history, merchant_history, with_history
from hub.training.transactions import CUSTOMER, MERCHANT, TARGET, TIME, read_transactions

MODEL = "team3_fraud_detection"
FEATURES = ("amount_minor", "hour_of_day", "card_present", *CUSTOMERS.features, *MERCHANTS.features)
_ALWAYS_KNOWN = {*FEATURES[:3], *CUSTOMERS.counts, *MERCHANTS.counts}
_OPTIONAL = frozenset(FEATURES) - _ALWAYS_KNOWN
_TRAINING_SHARE = 0.75
_SEED = 0
_PARITY_ROWS = 2000
_FAST = {"n_estimators": 50, "learning_rate": 0.3}
# Small trees make a small graph of contributions; log loss without weights makes scores that need no calibration.
_PARAMS: dict[str, Any] = {
    "objective": "binary",
    "n_estimators": 150,
    "num_leaves": 4,
    "learning_rate": 0.1,
    "min_child_samples": 50,
    "random_state": _SEED,
    "deterministic": True,
    "force_row_wise": True,  # or LightGBM chooses by the clock
    "n_jobs": 1,  # its threads spin while they wait: on a busy machine many are slower than one
}
_BASELINES = (Baseline("roc_auc", 0.867, "a quick model of the same transactions"),)
_SOURCE = DataSource(
    title="EvalML's fraud demo, 99,992 synthetic card transactions of 2019",
    origin="Ships with EvalML by Alteryx, which does not say how it was made; no real payments by all signs: every "
    "amount above 90,000 is fraud, whatever its currency, and some cards have far more fraud than others. Read from "
    "the package evalml 0.20.0 (BSD 3-Clause), member evalml/demos/data/fraud_transactions.csv.tar.gz.",
    licence="That of the package; nothing is stated of the data: not redistributed, downloaded when training.",
)


def train(folder: Path, say: Say, *, fast: bool) -> TrainedModel:
    """Trains on the first three quarters of the transactions by time, and measures on the rest.

    Args:
        folder: Where data is kept; the held-out transactions lie there as `fraud_detection/held_out.parquet`, with the
            features of their time.
        say: Takes progress lines.
        fast: Whether a third of the trees will do, in larger steps.
    """
    transactions = read_transactions(folder, say)
    customers, merchants = customer_history(transactions), merchant_history(transactions)
    rows = with_history(with_history(transactions, customers, CUSTOMERS), merchants, MERCHANTS)
    rows = rows[[CUSTOMER, MERCHANT, TIME, *FEATURES, TARGET]].astype(dict.fromkeys(FEATURES, "float64"))
    split = int(len(rows) * _TRAINING_SHARE)
    training = rows[:split]
    held_out = read_or_create(folder / "fraud_detection/held_out.parquet", lambda: rows[split:])
    features = list(FEATURES)
    started = time.perf_counter()
    params = _PARAMS | (_FAST if fast else {})
    estimator = LGBMClassifier(**params, verbose=-1).fit(training[features], training[TARGET])
    say(f"trained on {len(training):,} transactions in {time.perf_counter() - started:.1f} s")
    return TrainedModel(
        name=MODEL,
        team="team3",
        model_type="lightgbm.LGBMClassifier",
        purpose="Probability that a card transaction is fraud, learnt from synthetic transactions.",
        estimator=estimator,
        params=params,
        metrics=measure(held_out[TARGET], _score(estimator, held_out[features])),
        features=training[features],
        optional=_OPTIONAL,
        training_scores=pd.Series(_score(estimator, training[features])),
        parity_sample=held_out[features].sample(_PARITY_ROWS, random_state=_SEED),
        source=_SOURCE,
        histories={CUSTOMERS.view: customers, MERCHANTS.view: merchants},
        baselines=_BASELINES,
        metadata={"contributions": True},
    )


def _score(estimator: LGBMClassifier, rows: pd.DataFrame) -> NDArray[np.float64]:
    """Probabilities of fraud, `[rows]`."""
    return np.asarray(estimator.predict_proba(rows))[:, 1]
