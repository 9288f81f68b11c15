"""What a compiled binding costs per call, without network and model: parse, row of bytes, answer, serialise.

    python -m benchmarks.binding

The method is `CreditService.ScoreCredit`, ten input columns: with all of them in the request, and with the id of the
customer alone and its stored features at hand. Beside it runs hand-written code for the same method and all columns, as
the least that the work can cost with the same message classes. Both are timed in turns; the fastest round counts, as
`timeit` advises, since slower ones measure what else the machine did.
"""

import struct
from collections.abc import Callable
from itertools import count
from statistics import median
from time import perf_counter, time_ns

from erpml.finance.v1 import credit_service_pb2 as credit
from erpml.types.v1 import prediction_info_pb2
from gapura_features.schema import Column, FeatureType, Schema

from gateway.contracts.columns import FLOAT_FIELDS, annotated_columns
from gateway.contracts.descriptors import link
from gateway.contracts.entity_methods import bind_entities
from gateway.decisions import DECISIONS
from gateway.feature_views import Degrade, Features, FeatureStatus, FeatureView
from gateway.interfaces import Method
from gateway.types import Arm, Model, ModelVersion, Signature, Tensors, TensorSpec

ROUNDS, CALLS = 15, 20_000
METHOD = "erpml.finance.v1.CreditService.ScoreCredit"
CREDIT = next(method for method in link({}).methods if method.full_name == METHOD)
FED = annotated_columns(CREDIT)
COLUMNS = tuple(column.name for column in FED)
VIEW = FeatureView(
    name="customer_credit",
    entity="customer",
    schema=Schema.of(
        Column(column.name, FeatureType.FLOAT64 if column.cpp_type in FLOAT_FIELDS else FeatureType.INT32)
        for column in FED
    ),
    freshness_ms=1000,
    stale_ms=1000,
    degrade=Degrade.DEFAULT,
)
REQUEST = credit.ScoreCreditRequest(
    customer_id="C-1042",
    revolving_utilization=0.766127,
    age_years=45,
    times_past_due_30_59_days=2,
    debt_ratio=0.802982,
    monthly_income=9120.0,
    open_credit_lines=13,
    times_past_due_90_days=0,
    real_estate_loans=6,
    times_past_due_60_89_days=0,
    dependents=2,
)
VALUES = tuple(getattr(REQUEST, column.field) for column in FED)
STORED = (Features(VALUES, VALUES, FeatureStatus.FRESH, time_ns() // 1_000_000),)
OUTPUTS = Tensors(1, ((2,),), (struct.pack("<2f", 0.875, 0.125),))


def credit_model() -> Model:
    """Returns the credit model as a catalog describes it."""
    signature = Signature((TensorSpec("input", "FP64", (10,), COLUMNS),), (TensorSpec("probabilities", "FP32", (2,)),))
    version = ModelVersion("team3_credit_scoring", 1, signature, 1024, "")
    return Model(version.model, {1: version}, (Arm("champion", version),), {})


def compiled_call(message: bytes) -> Callable[[], bytes]:
    """Returns one call through the compiled binding."""
    model = credit_model()
    method: Method = bind_entities(CREDIT, model, DECISIONS[METHOD], {VIEW.name: VIEW})
    arm = model.arms[0]

    def call() -> bytes:
        request = method.parse(message)
        features = STORED if method.lookups(request, arm) else ()
        _, left_out = method.rows(request, arm, features)
        return method.answer(request, left_out, OUTPUTS, arm, features)

    return call


def written_call(message: bytes) -> Callable[[], bytes]:
    """Returns one call through code written by hand for this method alone."""
    pack, unpack, ids = struct.Struct("<10d").pack, struct.Struct("<2f").unpack, count(1)

    def call() -> bytes:
        request = credit.ScoreCreditRequest.FromString(message)
        pack(
            request.revolving_utilization,
            request.age_years,
            request.times_past_due_30_59_days,
            request.debt_ratio,
            request.monthly_income,
            request.open_credit_lines,
            request.times_past_due_90_days,
            request.real_estate_loans,
            request.times_past_due_60_89_days,
            request.dependents,
        )
        probability = unpack(OUTPUTS.data[0])[1]
        category = 1 + (probability > 0.05) + (probability > 0.2)  # noqa: PLR2004 - the bounds of the contract
        limit = min(request.monthly_income * (3.0, 1.0, 0.0)[category - 1], 50_000.0)
        return credit.ScoreCreditResponse(
            default_probability=probability,
            risk_category=credit.RiskCategory.ValueType(category),
            credit_limit_minor=int(limit // 100 * 100) * 100,
            currency_code="USD",
            prediction=prediction_info_pb2.PredictionInfo(
                prediction_id=f"{next(ids):x}",
                model="team3_credit_scoring",
                version=1,
                arm="champion",
                feature_status=prediction_info_pb2.FEATURE_STATUS_NOT_USED,
            ),
        ).SerializeToString()

    return call


def microseconds(call: Callable[[], bytes]) -> float:
    """Returns the time of one call, as the mean of many."""
    start = perf_counter()
    for _ in range(CALLS):
        call()
    return (perf_counter() - start) / CALLS * 1e6


def verify(answers: dict[str, Callable[[], bytes]]) -> None:
    """Checks that every contestant answers the same but for the id."""
    for call in answers.values():
        answer = credit.ScoreCreditResponse.FromString(call())
        assert answer.default_probability == 0.125, answer  # noqa: PLR2004 - see OUTPUTS
        assert answer.risk_category == credit.RISK_CATEGORY_MEDIUM, answer
        assert answer.credit_limit_minor == 910_000, answer  # noqa: PLR2004 - 9,120 rounded down to hundreds


def main() -> None:
    """Prints the table."""
    message = REQUEST.SerializeToString()
    contestants = {
        "compiled": compiled_call(message),
        "id alone": compiled_call(credit.ScoreCreditRequest(customer_id=REQUEST.customer_id).SerializeToString()),
        "by hand": written_call(message),
    }
    verify(contestants)
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name, call in contestants.items():
            times[name].append(microseconds(call))
    for name, measured in times.items():
        print(
            f"{name:10} {min(measured):5.2f} µs per call (median {median(measured):.2f}, slowest {max(measured):.2f})"
        )


if __name__ == "__main__":
    main()
