"""The same unit meets the same arm: by gRPC, REST and KServe, at every worker, after restarts and new catalogs."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from erpml.catalog.v1 import catalog_pb2
from erpml.finance.v1 import credit_service_pb2, credit_service_pb2_grpc
from gapura_envoy.testing import RunningEdge, running_edge
from tritonclient import grpc as triton

from tests.conftest import Published
from tests.envoy.conftest import APPLICANT, PATH, Backstage, post

MODEL = "team3_credit_scoring"
UNITS = [f"customer-{number}" for number in range(40)]
SPLIT = {"challenger": 5_000, "champion": 5_000}
Metadata = tuple[tuple[str, str], ...]


def divide(catalog: catalog_pb2.Catalog, generation: int) -> bytes:
    """Returns a catalog in which a second version of the credit model is the challenger of half of its calls."""
    divided = catalog_pb2.Catalog.FromString(catalog.SerializeToString())
    divided.generation = generation
    (model,) = (each for each in divided.models if each.name == MODEL)
    champion = model.versions[0]
    challenger = model.versions.add()
    challenger.CopyFrom(champion)
    challenger.number = champion.number + 1
    model.arms.add(name="challenger", version=challenger.number, kind=catalog_pb2.ARM_KIND_CHALLENGER)
    experiment = model.experiments.add(
        name="cheaper", seed=f"{MODEL}.cheaper", state=catalog_pb2.EXPERIMENT_STATE_RUNNING, revision="r1"
    )
    first = 0
    for arm, buckets in SPLIT.items():
        experiment.slices.add(arm=arm, first_bucket=first, buckets=buckets)
        first += buckets
    return divided.SerializeToString()


@pytest.fixture(scope="module")
def divided(published: Published, backstage: Backstage, tmp_path_factory: pytest.TempPathFactory) -> Backstage:
    """Returns what stands behind the edge where there is an experiment."""
    folder = tmp_path_factory.mktemp("divided")
    shutil.copytree(published.repository, folder / "models")
    catalog = catalog_pb2.Catalog.FromString(published.catalog.read_bytes())
    (model,) = (each for each in catalog.models if each.name == MODEL)
    number = model.versions[0].number
    shutil.copytree(folder / "models" / MODEL / str(number), folder / "models" / MODEL / str(number + 1))
    (folder / "catalog.binpb").write_bytes(divide(catalog, catalog.generation + 1))
    places = {"GAPURA_CATALOG": str(folder / "catalog.binpb"), "GAPURA_REPOSITORY": str(folder / "models")}
    return replace(backstage, environment={**backstage.environment, **places})


@contextmanager
def two_workers(backstage: Backstage) -> Iterator[list[str]]:
    """Runs two workers."""
    with ExitStack() as stack:
        yield [stack.enter_context(backstage.worker(name))[0] for name in ("left", "right")]


def typed(address: str, metadata: Metadata) -> dict[str, str]:
    """Returns the arm of every unit by typed calls."""
    with grpc.insecure_channel(address) as channel:
        stub = credit_service_pb2_grpc.CreditServiceStub(channel)
        asked = {unit: credit_service_pb2.ScoreCreditRequest(**{**APPLICANT, "customer_id": unit}) for unit in UNITS}
        answers = {unit: stub.ScoreCredit(each, metadata=metadata, timeout=10) for unit, each in asked.items()}
        return {unit: answer.prediction.arm for unit, answer in answers.items()}


def rest(edge: RunningEdge, api_key: str) -> dict[str, str]:
    """Returns the arm of every unit over REST."""
    arms = dict[str, str]()
    for unit in UNITS:
        status, answer = post(edge, PATH, json.dumps({**APPLICANT, "customer_id": unit}).encode(), x_api_key=api_key)
        assert status == 200
        assert answer["prediction"]["assignment"] == "ASSIGNMENT_UNIT"
        arms[unit] = answer["prediction"]["arm"]
    return arms


def tensors(address: str, api_key: str) -> dict[str, str]:
    """Returns the arm of every unit over KServe."""
    arms = dict[str, str]()
    with triton.InferenceServerClient(address.removeprefix("http://")) as client:
        (spec,) = client.get_model_metadata(MODEL, headers={"x-api-key": api_key}).inputs
        row = np.zeros((1, spec.shape[-1]), np.float64)
        asked = triton.InferInput(spec.name, list(row.shape), spec.datatype)
        asked.set_data_from_numpy(row)
        for unit in UNITS:
            headers = {"x-api-key": api_key, "x-gapura-unit": unit}
            answer: Any = client.infer(MODEL, [asked], headers=headers).get_response()
            assert answer.parameters["gapura_assignment"].string_param == "unit"
            arms[unit] = answer.parameters["gapura_arm"].string_param
    return arms


def test_a_unit_meets_the_same_arm_everywhere_and_always(
    divided: Backstage, contracts: list[bytes], metadata: Metadata
) -> None:
    with two_workers(divided) as workers:
        first, other = (typed(worker, metadata) for worker in workers)
        with running_edge(workers, contracts, message_mib=1) as edge:
            over_edge = typed(edge.address, metadata)
            over_rest = rest(edge, divided.api_key)
            over_kserve = tensors(edge.address, divided.api_key)
    assert set(Counter(first.values())) == {*SPLIT}
    assert other == over_edge == over_rest == over_kserve == first
    path = Path(divided.environment["GAPURA_CATALOG"])
    catalog = catalog_pb2.Catalog.FromString(path.read_bytes())
    catalog.generation += 1
    path.write_bytes(catalog.SerializeToString())
    with two_workers(divided) as workers:
        assert [typed(worker, metadata) for worker in workers] == [first, first]
