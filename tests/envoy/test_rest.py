"""REST: the paths of the contracts answer as gRPC does, and errors are `google.rpc.Status` as JSON."""

import json
import time

import grpc
import pytest
from erpml.finance.v1 import credit_service_pb2
from gapura_envoy.testing import RunningEdge
from google.protobuf import json_format

from tests.e2e.serving import add_tenant
from tests.envoy.conftest import APPLICANT, PATH, Backstage, post, score

INFO = "type.googleapis.com/google.rpc.ErrorInfo"


def test_an_answer_is_that_of_grpc(
    edge: RunningEdge, backstage: Backstage, channel: grpc.Channel, metadata: tuple[tuple[str, str], ...]
) -> None:
    status, answer = post(edge, PATH, json.dumps(APPLICANT).encode(), x_api_key=backstage.api_key)
    assert status == 200
    got = json_format.ParseDict(answer, credit_service_pb2.ScoreCreditResponse())
    wanted = score(channel, metadata)
    got.prediction.ClearField("prediction_id")
    wanted.prediction.ClearField("prediction_id")
    assert got == wanted


def test_a_tenant_that_may_not_use_rest_is_told_so_and_may_use_grpc(
    edge: RunningEdge, backstage: Backstage, channel: grpc.Channel
) -> None:
    key = add_tenant(backstage.environment, "norest", "team3_*", "--no-rest")
    wait_until_known(channel, key)
    status, answer = post(edge, PATH, json.dumps(APPLICANT).encode(), x_api_key=key)
    assert (status, answer["code"]) == (403, 7)
    assert (answer["details"][0]["reason"], answer["details"][0]["metadata"]) == (
        "REST_NOT_ALLOWED",
        {"tenant": "norest"},
    )
    bearer = {"authorization": f"Bearer {backstage.api_key}"}
    assert post(edge, PATH, json.dumps(APPLICANT).encode(), **bearer)[0] == 200


def wait_until_known(channel: grpc.Channel, key: str) -> None:
    """Waits until every worker has read of a tenant; it makes good calls by gRPC."""
    end, in_a_row = time.monotonic() + 30, 0
    while in_a_row < 8 and time.monotonic() < end:
        try:
            assert score(channel, (("x-api-key", key),)).credit_limit_minor
            in_a_row += 1
        except grpc.RpcError:
            in_a_row = 0
            time.sleep(0.1)


def test_a_batch_is_answered(edge: RunningEdge, backstage: Backstage) -> None:
    body = json.dumps({"requests": [APPLICANT, {**APPLICANT, "age_years": 200}]}).encode()
    status, answer = post(edge, f"{PATH}:batch", body, x_api_key=backstage.api_key)
    assert status == 200
    assert len(answer["results"]) == 2


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"age_years": "abc"}', "age_years"),
        (b'{"age_years":', "Expected a value"),
        (b'{"age_years": 1.5}', "age_years"),
        (b"[]", ""),
    ],
)
def test_bad_json_is_refused_and_the_field_named(
    edge: RunningEdge, backstage: Backstage, body: bytes, told: str
) -> None:
    status, answer = post(edge, PATH, body, x_api_key=backstage.api_key)
    assert status == 400
    assert answer["code"] == 3
    assert told in answer["message"]
    assert answer["details"][0]["@type"] == INFO


def test_the_errors_of_workers_keep_their_details(edge: RunningEdge, backstage: Backstage) -> None:
    status, answer = post(edge, PATH, b'{"customer_id": "c1", "age_years": -1}', x_api_key=backstage.api_key)
    assert (status, answer["code"]) == (400, 3)
    info, bad = answer["details"]
    assert (info["@type"], info["reason"], info["domain"]) == (INFO, "INVALID_FIELD", "gapura")
    assert "age_years" in [each["field"] for each in bad["field_violations"]]


def test_a_caller_without_a_key_is_not_known(edge: RunningEdge) -> None:
    status, answer = post(edge, PATH, json.dumps(APPLICANT).encode())
    assert (status, answer["code"], answer["details"][0]["reason"]) == (401, 16, "API_KEY_MISSING")


@pytest.mark.parametrize("path", ["/", "/api/ml/nothing", f"{PATH}/more"])
def test_an_unknown_path_is_not_found(edge: RunningEdge, path: str) -> None:
    status, answer = post(edge, path, b"{}")
    assert (status, answer["code"], answer["details"][0]["reason"]) == (404, 5, "METHOD_UNKNOWN")


def test_compressed_bodies_are_not_taken(edge: RunningEdge) -> None:
    status, answer = post(edge, PATH, b"{}", content_encoding="gzip")
    assert (status, answer["code"]) == (415, 12)


def test_bodies_over_the_limit_are_refused(edge: RunningEdge, backstage: Backstage) -> None:
    body = json.dumps({**APPLICANT, "customer_id": "x" * 1_100_000}).encode()
    status, answer = post(edge, PATH, body, x_api_key=backstage.api_key)
    assert (status, answer["code"], answer["details"][0]["reason"]) == (413, 8, "MESSAGE_TOO_LARGE")


def test_an_unknown_query_parameter_is_named(edge: RunningEdge, backstage: Backstage) -> None:
    status, answer = post(edge, f"{PATH}?unknown=1", b"{}", x_api_key=backstage.api_key)
    assert status == 400
    assert "unknown" in answer["message"]
