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
class Baseline:
    """What a metric is held against: a figure that a simpler model reached on the same split.

    Attributes:
        metric: Name of the metric.
        value: The figure.
        source: What reached it, for people to read.
        larger_is_better: Whether a larger metric is a better one; errors and losses have False.
    """

    metric: str
    value: float
    source: str
    larger_is_better: bool = True

    def reached(self, metrics: Mapping[str, float]) -> bool:
        """Whether a model is at least as good."""
        measured = metrics[self.metric]
        return measured >= self.value if self.larger_is_better else measured <= self.value


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A fitted model and everything that its owners will ask about it.

    Attributes:
        name: Name in the registry, `<team>_<model>`.
        team: Owner.
        model_type: Library and estimator, such as `sklearn.HistGradientBoostingClassifier`.
        purpose: What the model answers, in one sentence.
        estimator: The fitted model, of a library that `converters` knows; takes numbers as doubles.
        params: Hyperparameters.
        metrics: Measured on held-out rows; their number is `held_out_rows`.
        features: Training rows: one column per feature, in the model's order; texts are objects or strings.
        optional: Features that may be missing.
        training_scores: Scores of the training rows, one number each.
        parity_sample: Held-out rows to prove conversions on.
        source: Where the data comes from.
        histories: What the model's feature views are materialised from, by the name of the view: the ids of entities,
            the features, and since when they have been true, `event_time`.
        baselines: What metrics are held against.
        metadata: What converters are told of the model, such as `max_batch_size`.
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
    baselines: tuple[Baseline, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
