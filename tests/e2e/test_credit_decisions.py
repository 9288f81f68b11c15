"""A credit decision is the registered model's own, whichever way it is asked for."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from time import sleep

import gapura_client.aio
import mlflow.sklearn
import numpy as np
import pandas as pd
import pytest
import tritonclient.grpc as triton
from erpml.finance.v1 import credit_service_pb2 as messages
from erpml.finance.v1.credit_service_pb2_grpc import CreditServiceStub

from hub.training.credit_scoring import MODEL
from tests.conftest import Published
from tests.e2e.applicants import FEATURES, GOOD, requests_of
from tests.e2e.conftest import Serving

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def native(published: Published, held_out: pd.DataFrame) -> np.ndarray:
    """Returns the probabilities of the MLflow model itself."""
    mlflow.set_tracking_uri(published.mlflow_uri)
    mlflow.set_registry_uri(published.mlflow_uri)
    model = mlflow.sklearn.load_model(f"models:/{MODEL}@champion")
    probabilities: np.ndarray = model.predict_proba(held_out[FEATURES])[:, 1]
    return probabilities


@pytest.fixture(scope="module")
def typed(serving: Serving, held_out: pd.DataFrame) -> list[messages.ScoreCreditResponse]:
    """Returns the typed answers to all applicants, asked 64 at a time."""

    async def ask() -> list[messages.ScoreCreditResponse]:
        limit = asyncio.Semaphore(64)
        async with gapura_client.aio.connect(serving.address, api_key=serving.api_key, timeout_seconds=30) as channel:
            stub = CreditServiceStub(channel)

            async def one(request: messages.ScoreCreditRequest) -> messages.ScoreCreditResponse:
                async with limit:
                    return await stub.ScoreCredit(request)

            return await asyncio.gather(*map(one, requests_of(held_out)))

    return asyncio.run(ask())


def raw(client: triton.InferenceServerClient, key: str, rows: np.ndarray) -> np.ndarray:
    """Returns the probabilities that Triton's client gets for rows of float64."""
    tensor = triton.InferInput("input", rows.shape, "FP64")
    tensor.set_data_from_numpy(rows)
    answer: np.ndarray = client.infer(MODEL, [tensor], headers={"x-api-key": key}).as_numpy("probabilities")[:, 1]
    return answer


def test_typed_answers_equal_the_registered_model(
    typed: list[messages.ScoreCreditResponse], native: np.ndarray
) -> None:
    served = np.array([answer.default_probability for answer in typed])
    assert np.abs(served - native).max() < 1e-5


def test_typed_answers_equal_the_raw_ones_exactly(
    typed: list[messages.ScoreCreditResponse],
    tensors: triton.InferenceServerClient,
    serving: Serving,
    held_out: pd.DataFrame,
) -> None:
    served = [answer.default_probability for answer in typed]
    rows = np.ascontiguousarray(held_out[FEATURES].to_numpy(np.float64))
    assert raw(tensors, serving.api_key, rows).tolist() == served
    for position in range(0, 1000, 97):
        assert raw(tensors, serving.api_key, rows[position : position + 1])[0] == served[position]


def test_batch_answers_equal_single_ones(
    typed: list[messages.ScoreCreditResponse], credit: CreditServiceStub, held_out: pd.DataFrame
) -> None:
    asked = list(requests_of(held_out))[:512]
    results = credit.BatchScoreCredit(messages.BatchScoreCreditRequest(requests=asked)).results
    for result, single in zip(results, typed, strict=False):
        assert (result.response.default_probability, result.response.credit_limit_minor) == (
            single.default_probability,
            single.credit_limit_minor,
        )
    assert len({result.response.prediction.prediction_id for result in results}) == 512


def test_64_concurrent_callers_get_their_own_answers(published: Published) -> None:
    """The benchmark fails by itself when an answer is another caller's."""
    command = [sys.executable, "-m", "benchmarks.callers", "--seconds", "2"]
    done = subprocess.run(command, cwd=ROOT, env=published.environment, check=True, capture_output=True, text=True)
    assert " by 64 callers, " in done.stdout
    assert ", 0 wrong\n" in done.stdout


def average_batch(credit: CreditServiceStub, tensors: triton.InferenceServerClient, serving: Serving) -> float:
    """Sends 64 calls to a gateway that is stopped, lets it go on, and returns the average of the batches it made."""
    before = tensors.get_inference_statistics(MODEL, headers={"x-api-key": serving.api_key}).model_stats[0]
    os.kill(serving.pid, signal.SIGSTOP)
    try:
        calls = [credit.ScoreCredit.future(GOOD, timeout=30) for _ in range(64)]
        sleep(0.2)  # they are on their way
    finally:
        os.kill(serving.pid, signal.SIGCONT)
    assert len({call.result().prediction.prediction_id for call in calls}) == 64
    after = tensors.get_inference_statistics(MODEL, headers={"x-api-key": serving.api_key}).model_stats[0]
    assert after.inference_count - before.inference_count == 64
    batches: int = after.execution_count - before.execution_count
    return 64 / batches


def test_calls_that_come_together_share_batches(
    credit: CreditServiceStub, tensors: triton.InferenceServerClient, serving: Serving
) -> None:
    """They come in dribs and drabs where something else has the cores, and never share where nothing is shared."""
    credit.ScoreCredit(GOOD)
    assert any(average_batch(credit, tensors, serving) > 1.5 for _ in range(10))
