"""A credit model of made-up applicants that fits `erpml.finance.v1.CreditService`, and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import onnxruntime
import pandas as pd
from erpml.types.v1 import feature_view_pb2
from gapura_features.schema import FeatureType, message_of
from numpy.typing import NDArray
from skl2onnx.sklapi import CastTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # publishes no types

from benchmarks.models import BenchModel
from converters import InputSpec, convert
from gateway.contracts.columns import FLOAT_FIELDS, annotated_columns
from gateway.contracts.descriptors import link
from hub.composition import compose_signature

NAME = "team3_credit_scoring"
SEED, ROWS, TREES, PARITY_ROWS = 7, 4_000, 100, 500
SCORE = next(method for method in link({}).methods if method.full_name.endswith(".CreditService.ScoreCredit"))
FED = annotated_columns(SCORE)
WHOLE = frozenset(column.field for column in FED if column.cpp_type not in FLOAT_FIELDS)
MOST: Mapping[str, float] = {"revolving_utilization": 1.5, "age_years": 90, "debt_ratio": 2, "monthly_income": 20_000}
MOST_TIMES, UNLIKELY = 6, 5

Applicants = NDArray[np.float64]
"""`[applicants, columns]`, the columns in the order of the contract."""


@dataclass(frozen=True, slots=True)
class Credit:
    """The model, and applicants whose scores are known.

    Attributes:
        model: What is served.
        applicants: Some of those that it was trained on.
        scores: Probabilities of both classes, `[applicants, 2]` float32, by ONNX Runtime asked alone.
        labels: Classes, as above.
    """

    model: BenchModel
    applicants: Applicants
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]


@cache
def train_credit(asked: int) -> Credit:
    """Trains the model; `asked` is the number of applicants whose scores are wanted."""
    applicants = draw_applicants()
    table = pd.DataFrame(applicants, columns=[column.name for column in FED])
    with threadpool_limits(1):
        pipeline = Pipeline(
            [
                ("cast", CastTransformer(dtype=np.float32)),
                ("model", HistGradientBoostingClassifier(max_iter=TREES, max_leaf_nodes=15, random_state=SEED)),
            ]
        ).fit(table, draw_defaults(applicants))
    spec = InputSpec(tuple(table.columns), ("FP64",) * len(FED))
    conversion = convert(pipeline, spec, table[:PARITY_ROWS])
    model = BenchModel(NAME, conversion.onnx, compose_signature(conversion.signature))
    session = onnxruntime.InferenceSession(conversion.onnx, providers=["CPUExecutionProvider"])
    labels, scores = session.run(["label", "probabilities"], {"input": applicants[:asked]})
    return Credit(model, applicants[:asked], scores, labels)


def compose_view() -> feature_view_pb2.FeatureView:
    """Returns the view that the contract looks up; here every request has all fields, and nothing is looked up."""
    view = feature_view_pb2.FeatureView(
        name="customer_credit",
        team="team3",
        entity="customer",
        freshness_ms=86_400_000,
        degrade=feature_view_pb2.DEGRADE_DEFAULT,
    )
    for column in FED:
        type_ = FeatureType.INT32 if column.field in WHOLE else FeatureType.FLOAT64
        view.columns.add(name=column.name, type=type_.value, default_value=message_of(type_, None))
    return view


def draw_applicants() -> Applicants:
    """Returns made-up applicants: whole numbers where the contract wants them."""
    random = np.random.default_rng(SEED)
    drawn = {column.field: random.random(ROWS) * MOST.get(column.field, MOST_TIMES) for column in FED}
    return np.stack([np.floor(drawn[field]) if field in WHOLE else drawn[field] for field in drawn], axis=1)


def draw_defaults(applicants: Applicants) -> NDArray[np.int64]:
    """Returns who did not pay: utilisation, debts and delays speak for it, and chance."""
    named = dict(zip((column.field for column in FED), applicants.T, strict=True))
    odds = named["revolving_utilization"] + named["debt_ratio"] + named["times_past_due_90_days"] - UNLIKELY
    chance = np.random.default_rng(SEED + 1).random(len(applicants))
    failed: NDArray[np.int64] = (chance < 1 / (1 + np.exp(-odds))).astype(np.int64)
    return failed


def fields_of(number: int, applicant: NDArray[np.float64]) -> dict[str, str | float | int]:
    """Returns the fields of a typed request for an applicant."""
    values = zip((column.field for column in FED), applicant.tolist(), strict=True)
    return {"customer_id": f"C-{number}", **{name: int(value) if name in WHOLE else value for name, value in values}}
