"""A verdict on a transaction needs no more than two ids: the rest is looked up, as if the request had said it."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gapura_client
import numpy as np
import pandas as pd
import pytest
from erpml.finance.v1 import fraud_service_pb2 as fraud
from erpml.finance.v1.fraud_service_pb2_grpc import FraudServiceStub
from erpml.types.v1 import prediction_info_pb2

from converters import load
from hub.artifact import download
from hub.registry import ModelRegistry
from hub.registry.records import CHAMPION
from hub.training.fraud_detection import FEATURES, MODEL
from tests.catalog.valkey import running
from tests.conftest import ROOT
from tests.e2e.serving import add_tenant, serve
from tests.fraud_workplace import VIEWS, Workplace, trained_and_published

TRANSACTION = {"amount_minor": 5_000, "hour_of_day": 3, "card_present": True}


@pytest.fixture(scope="module")
def workplace(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    return trained_and_published(run_folder, tmp_path_factory.mktemp("fraud"))


@pytest.fixture(scope="module")
def serving(workplace: Workplace) -> Iterator[tuple[str, str]]:
    """Materialises both views in a real Valkey, and starts `gapura serve` over it; returns its address and a key."""
    with running() as valkey:
        for view in VIEWS:
            workplace.run("features", "materialize", view, GAPURA_FEATURES_URL=valkey.url())
        key = add_tenant(workplace.environment, "team3", "team3_*")
        with serve(workplace.environment | {"GAPURA_FEATURES_URL": valkey.url()}) as (_, address):
            yield address, key


@pytest.fixture(scope="module")
def service(serving: tuple[str, str]) -> Iterator[FraudServiceStub]:
    address, key = serving
    with gapura_client.connect(address, api_key=key) as channel:
        yield FraudServiceStub(channel)


@pytest.fixture(scope="module")
def stored(workplace: Workplace) -> dict[str, Any]:
    """Returns ids and latest features of a customer and a merchant of whom everything is known."""
    latest = [workplace.history(view).groupby(f"{view.removesuffix('_fraud')}_id").tail(1).dropna() for view in VIEWS]
    rows = [table.iloc[0].drop("event_time").to_dict() for table in latest]
    return {**rows[0], **rows[1]}


def request(**fields: Any) -> fraud.ScoreTransactionRequest:
    """Returns a transaction."""
    return fraud.ScoreTransactionRequest(**{**TRANSACTION, **fields})


def by_id(stored: dict[str, Any], **fields: Any) -> fraud.ScoreTransactionRequest:
    """Returns a transaction that names customer and merchant, and says nothing else of them."""
    return request(customer_id=stored["customer_id"], merchant_id=stored["merchant_id"], **fields)


def test_two_ids_say_what_all_features_say(service: FraudServiceStub, stored: dict[str, Any]) -> None:
    looked_up, said = service.ScoreTransaction(by_id(stored)), service.ScoreTransaction(request(**stored))
    assert looked_up.fraud_score == said.fraud_score
    assert looked_up.prediction.feature_status == prediction_info_pb2.FEATURE_STATUS_FRESH
    assert looked_up.prediction.feature_age_ms > 0
    assert said.prediction.feature_status == prediction_info_pb2.FEATURE_STATUS_NOT_USED


def test_what_a_request_says_wins_over_what_is_stored(service: FraudServiceStub, stored: dict[str, Any]) -> None:
    settled = {"customer_settled_transactions": 5, "merchant_settled_transactions": 5}
    honest = service.ScoreTransaction(by_id(stored, **settled, customer_fraud_share=0.0))
    notorious = service.ScoreTransaction(by_id(stored, **settled, customer_fraud_share=1.0))
    assert notorious.fraud_score > honest.fraud_score
    assert notorious.prediction.feature_status == prediction_info_pb2.FEATURE_STATUS_FRESH


def test_a_customer_who_is_not_known_has_no_history(service: FraudServiceStub, stored: dict[str, Any]) -> None:
    answer = service.ScoreTransaction(request(customer_id="nobody", merchant_id=stored["merchant_id"]))
    assert 0 <= answer.fraud_score <= 1
    assert answer.prediction.feature_status == prediction_info_pb2.FEATURE_STATUS_DEFAULT


def test_a_transaction_that_is_likely_fraud_is_declined(service: FraudServiceStub, stored: dict[str, Any]) -> None:
    harmless = service.ScoreTransaction(by_id(stored, customer_fraud_share=0.0))
    likely = service.ScoreTransaction(by_id(stored, amount_minor=95_000))
    assert (harmless.risk_level, harmless.recommendation) == (
        fraud.FRAUD_RISK_LEVEL_LOW,
        fraud.FRAUD_RECOMMENDATION_APPROVE,
    )
    assert (likely.risk_level, likely.recommendation) == (
        fraud.FRAUD_RISK_LEVEL_HIGH,
        fraud.FRAUD_RECOMMENDATION_DECLINE,
    )


def test_a_verdict_names_the_three_inputs_that_raise_the_score_most(
    service: FraudServiceStub, stored: dict[str, Any], workplace: Workplace
) -> None:
    answer = service.ScoreTransaction(by_id(stored, amount_minor=95_000))
    row = pd.DataFrame([{**TRANSACTION, **stored, "amount_minor": 95_000}])[list(FEATURES)].astype(float)
    registry = ModelRegistry(workplace.mlflow_uri)
    with download(registry, registry.models()[MODEL].versions[CHAMPION]) as downloaded:
        contributions = load(downloaded.folder).model.predict(row, pred_contrib=True)[0, :-1]
    strongest = np.argsort(-contributions)[:3]
    assert strongest[0] == FEATURES.index("amount_minor")
    assert [factor.feature for factor in answer.factors] == [FEATURES[position] for position in strongest]
    assert [factor.contribution for factor in answer.factors] == pytest.approx(contributions[strongest], abs=1e-5)


def test_the_example_prints_the_verdict_and_its_reasons(workplace: Workplace, serving: tuple[str, str]) -> None:
    environment = {**workplace.environment, "GAPURA_TARGET": serving[0], "GAPURA_API_KEY": serving[1]}
    command = [sys.executable, str(ROOT / "examples/score_transaction.py")]
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.splitlines()
    assert re.fullmatch(r"fraud 0\.\d{3}, FRAUD_RISK_LEVEL_\w+, FRAUD_RECOMMENDATION_\w+", printed[0])
    assert re.fullmatch(r"  merchant_fraud_share +\+\d\.\d\d log-odds", printed[1])
    assert len(printed) == 4


def test_a_batch_gives_the_verdicts_of_single_calls(service: FraudServiceStub, workplace: Workplace) -> None:
    rows = workplace.held_out.head(512)
    requests = [request(customer_id=row.customer_id, merchant_id=row.merchant_id) for row in rows.itertuples()]
    results = service.BatchScoreTransaction(fraud.BatchScoreTransactionRequest(requests=requests)).results
    assert len(results) == 512
    for position in range(0, 512, 64):
        single = service.ScoreTransaction(requests[position])
        assert results[position].response.fraud_score == single.fraud_score
        assert results[position].response.factors == single.factors
        assert results[position].response.prediction.feature_status == single.prediction.feature_status


def test_a_transaction_without_an_amount_is_refused(service: FraudServiceStub, stored: dict[str, Any]) -> None:
    with pytest.raises(gapura_client.InvalidArgument) as refused:
        service.ScoreTransaction(by_id(stored, amount_minor=None))
    assert [violation.field for violation in refused.value.violations] == ["amount_minor"]
