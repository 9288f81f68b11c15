"""What a training pipeline hands on to be logged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd


@dataclass(frozen=True, slots=True)
class DataSource:
    """Where training data comes from.

    Attributes:
        title: Name of the data set.
        origin: Who published it, and what carried it here.
        licence: What is known of its licence.
    """

    title: str
    origin: str
    licence: str


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A fitted model and everything that its owners will ask about it.

    Attributes:
        name: Name in the registry, `<team>_<model>`.
        team: Owner.
        model_type: Library and estimator, such as `sklearn.HistGradientBoostingClassifier`.
        purpose: What the model answers, in one sentence.
        estimator: The fitted model; takes the features as doubles.
        params: Hyperparameters.
        metrics: Measured on held-out rows.
        features: Training rows: one column per feature, in the model's order.
        optional: Features that may be missing.
        training_scores: Scores of the training rows.
        parity_sample: Held-out rows to prove conversions on.
        source: Where the data comes from.
        histories: What the model's feature views are materialised from, by the name of the view: the ids of entities,
            the features, and since when they have been true, `event_time`.
    """

    name: str
    team: str
    model_type: str
    purpose: str
    estimator: Any
    params: Mapping[str, float | str]
    metrics: Mapping[str, float]
    features: pd.DataFrame
    optional: frozenset[str]
    training_scores: pd.Series
    parity_sample: pd.DataFrame
    source: DataSource
    histories: Mapping[str, pd.DataFrame] = field(default_factory=dict)
