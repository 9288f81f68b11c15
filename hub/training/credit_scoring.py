"""Trains team 3's credit scoring on the GiveMeSomeCredit applicants."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from skl2onnx.sklapi import CastTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # publishes no types

from hub.training.applicants import FEATURES, TARGET, customer_rows, read_applicants
from hub.training.pipelines import Say
from hub.training.scores import measure
from hub.training.trained import Baseline, DataSource, TrainedModel

MODEL = "team3_credit_scoring"
VIEW = "customer_credit"
_OPTIONAL = frozenset({"MonthlyIncome", "NumberOfDependents"})
_SEED = 0
_PARITY_ROWS = 2000
_PARAMS = {
    "learning_rate": 0.05,
    "max_iter": 200,
    "max_leaf_nodes": 15,
    "l2_regularization": 1.0,
    "min_samples_leaf": 50,
    "random_state": _SEED,
}
_FAST_PARAMS = {"learning_rate": 0.1, "max_iter": 100}
_BASELINES = (Baseline("roc_auc", 0.867, "gradient boosting as it comes"),)
_SOURCE = DataSource(
    title="GiveMeSomeCredit, 150,000 applicants",
    origin="Published for a Kaggle competition in 2011; read from the package empulse 0.13.1 (MIT), member "
    "empulse/datasets/data/creditscoring1.csv.gz.",
    licence="Competition data, no open licence stated: not redistributed, downloaded when training.",
)


def train(folder: Path, say: Say, *, fast: bool) -> TrainedModel:
    """Trains on four fifths of the applicants and measures on the rest.

    Args:
        folder: Where data is kept.
        say: Takes progress lines.
        fast: Whether to train for fewer rounds, at a higher rate.
    """
    training, held_out = read_applicants(folder, say)
    params = _PARAMS | _FAST_PARAMS if fast else _PARAMS
    features = list(FEATURES)
    started = time.perf_counter()
    with threadpool_limits(1):  # OpenMP threads spin while they wait: on a busy machine many are slower than one
        estimator = _estimator(params).fit(training[features], training[TARGET])
        held_out_scores = estimator.predict_proba(held_out[features])[:, 1]
        training_scores = estimator.predict_proba(training[features])[:, 1]
    say(f"trained on {len(training):,} applicants in {time.perf_counter() - started:.1f} s")
    return TrainedModel(
        name=MODEL,
        team="team3",
        model_type="sklearn.HistGradientBoostingClassifier",
        purpose="Probability that a credit applicant falls 90 days or more behind within two years.",
        estimator=estimator,
        params=params,
        metrics=measure(held_out[TARGET], held_out_scores),
        features=training[features],
        optional=_OPTIONAL,
        training_scores=pd.Series(training_scores),
        parity_sample=held_out[features].sample(_PARITY_ROWS, random_state=_SEED),
        source=_SOURCE,
        baselines=_BASELINES,
        histories={VIEW: customer_rows(pd.concat([training, held_out]), datetime.now(UTC))},
    )


def _estimator(params: Mapping[str, float]) -> Pipeline:
    """The trees see single precision in training, as they will in ONNX."""
    return Pipeline([("cast", CastTransformer(dtype=np.float32)), ("model", HistGradientBoostingClassifier(**params))])
