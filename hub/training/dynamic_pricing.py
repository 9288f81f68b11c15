"""Trains team 4's demand model, in whose answers prices are searched, on the orange juice of Dominick's stores."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import r2_score
from xgboost import XGBRegressor

from hub.training.dataset import read_or_create
from hub.training.orange_juice import DEMAND, OUNCES, WEEK, read_weeks
from hub.training.pipelines import Say
from hub.training.pricing_history import FEATURES, item_history, with_history
from hub.training.trained import Baseline, DataSource, TrainedModel

MODEL = "team4_dynamic_pricing"
VIEW = "product_pricing"
LAST_TRAINING_WEEK = 140
PRICE = "price_minor"

_SEED = 0
_PARITY_ROWS = 2000
_MOST_PRICES = 1024
_STEP = 0.1  # of prices, up and down, to measure the elasticity with
_FAST = {"n_estimators": 60, "learning_rate": 0.2}
# The mean of the demand is wanted, and its spread grows with it: a gamma distribution, whose answers are packs.
_PARAMS: dict[str, Any] = {
    "objective": "reg:gamma",
    "n_estimators": 150,
    "max_depth": 5,
    "learning_rate": 0.1,
    "min_child_weight": 20,
    "subsample": 0.8,
    "colsample_bytree": 0.8,
    "random_state": _SEED,
    "n_jobs": 1,  # its threads spin while they wait: on a busy machine many are slower than one
}
_FALLING = {PRICE: -1}  # whatever else is known, a higher price does not sell more
_BASELINES = (
    Baseline(
        "r2_log_demand",
        0.696,
        "gradient boosting as it comes, on the week's prices of all products, deal, feature, store and product",
    ),
)
_SOURCE = DataSource(
    title="Orange juice at Dominick's Finer Foods, 106,139 weeks of 11 products in 83 stores, 1990 to 1992",
    origin="Kilts Center for Marketing, University of Chicago, as P. Rossi's R package bayesm has it (data set"
    " orangeJuice); read from Debian's r-cran-bayesm 3.1-5. Prices were not set at random: what the model says of a"
    " price that a product never had is an extrapolation.",
    licence="The package is GPL 2 or later; the Kilts Center gives its data for academic research: not redistributed,"
    " downloaded when training.",
)


def train(folder: Path, say: Say, *, fast: bool) -> TrainedModel:
    """Trains on the weeks up to 140, and measures on those after.

    Args:
        folder: Where data is kept; the held-out weeks lie there as `dynamic_pricing/held_out.parquet`, with what was
            known before them.
        say: Takes progress lines.
        fast: Whether fewer trees will do, in larger steps.
    """
    weeks = read_weeks(folder, say)
    history = item_history(weeks)
    rows = with_history(weeks, history)
    training = rows[rows[WEEK] <= LAST_TRAINING_WEEK]
    held_out = read_or_create(
        folder / "dynamic_pricing/held_out.parquet", lambda: rows[rows[WEEK] > LAST_TRAINING_WEEK]
    )
    features = list(FEATURES)
    started = time.perf_counter()
    params = _PARAMS | (_FAST if fast else {})
    estimator = fit(training, params)
    say(f"trained on {len(training):,} weeks of products in stores in {time.perf_counter() - started:.1f} s")
    return TrainedModel(
        name=MODEL,
        team="team4",
        model_type="xgboost.XGBRegressor",
        purpose="Packs of a product that a store is expected to sell in a week at a price; falls as the price rises.",
        estimator=estimator,
        params=params,
        metrics=measure(estimator, held_out),
        features=training[features],
        optional=frozenset(),
        training_scores=pd.Series(estimator.predict(training[features])),
        parity_sample=held_out[features].sample(_PARITY_ROWS, random_state=_SEED),
        source=_SOURCE,
        histories={VIEW: history},
        baselines=_BASELINES,
        metadata={"max_batch_size": _MOST_PRICES},
    )


def fit(rows: pd.DataFrame, params: Mapping[str, Any]) -> XGBRegressor:
    """Returns a model of the demand in packs, which never rises with the price."""
    return XGBRegressor(**params, monotone_constraints=_FALLING).fit(rows[list(FEATURES)], rows[DEMAND])


def measure(estimator: XGBRegressor, rows: pd.DataFrame) -> dict[str, float]:
    """Returns how well demand is foretold.

    `r2_log_demand` is of the logarithm of ounces, as the baseline's; `weighted_error` the mean absolute error in packs
    over the mean demand; `price_elasticity` the mean change of the logarithm of the demand with that of the price.
    """
    features = rows[list(FEATURES)]
    packs = estimator.predict(features)
    up, down = (estimator.predict(features.assign(**{PRICE: features[PRICE] * (1 + s)})) for s in (_STEP, -_STEP))
    return {
        "r2_log_demand": float(r2_score(np.log(rows[DEMAND] * rows[OUNCES]), np.log(packs * rows[OUNCES]))),
        "weighted_error": float((packs - rows[DEMAND]).abs().mean() / rows[DEMAND].mean()),
        "price_elasticity": float(np.log(up / down).mean() / np.log((1 + _STEP) / (1 - _STEP))),
        "held_out_rows": float(len(rows)),
    }
