"""A team joins a gateway that runs: a descriptor set and a registered model are enough, and nothing is started anew."""

import json
import os
import subprocess
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gapura_client
import pytest
from gapura_envoy.contracts import read_contracts
from gapura_envoy.files import compose, write
from gapura_envoy.testing import RunningEdge, running_edge
from google.protobuf.json_format import MessageToDict, Parse
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from tests.conftest import published_in, train_and_publish
from tests.e2e.joining_team import (
    CONTRACT,
    MODEL,
    PATH,
    REST_PATH,
    SERVICE,
    TEAM,
    Place,
    credit_calls,
    method_of,
    shelves,
    train,
)
from tests.e2e.kinds import Kind
from tests.e2e.serving import COMMAND, add_tenant, scratch_environment, serve, wait_for
from tests.gateway.contract_source import compile_contract
from tests.sharing import copy_without_artifacts, made_once
from tests.triton.nodes import wait_until

FOLLOWED_SECONDS = 20.0
SHELF: dict[str, Any] = {"shelf_id": "s-1", "stock": 12.0, "daily_sales": 20.0}


@dataclass(frozen=True, slots=True)
class Joined:
    """The gateway after the team has joined.

    Attributes:
        place: Where it runs.
        process: It.
        content: The team's descriptor set.
        kind: The team's model.
        codes: What a call was answered with before, between and after the steps.
        outcomes: What became of another team's calls meanwhile.
        edge: An Envoy before the gateway, which was there before the team.
    """

    place: Place
    process: "subprocess.Popen[str]"
    content: bytes
    kind: Kind
    codes: list[str]
    outcomes: Counter[str]
    edge: RunningEdge


@pytest.fixture(scope="module")
def joined(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Joined]:
    """Starts a gateway, and lets the team join while another calls."""
    var = tmp_path_factory.mktemp("onboarding")
    copy_without_artifacts(made_once(run_folder / "credit", train_and_publish), var)
    contracts = var / "contracts"
    environment = scratch_environment(published_in(var).environment, CONTRACTS=str(contracts), TRACE_RATIO="0")
    keys = {name: add_tenant(environment, name, f"{name}_*") for name in ("team3", TEAM)}
    keys["narrow"] = add_tenant(environment, "narrow", f"{TEAM}_*", "--services", "erpml.finance.*")
    contracts.mkdir()
    content, kind = compile_contract(tmp_path_factory.mktemp("proto"), CONTRACT), train()
    with ExitStack() as stack:
        process, address = stack.enter_context(serve(environment))
        place = Place(environment, contracts, Path(environment["GAPURA_TELEMETRY"]), address, keys)
        edge = stack.enter_context(running_edge([address], read_contracts(contracts)))
        with credit_calls(place) as outcomes:
            codes = [place.code(content)]
            place.lay(content)
            wait_until(lambda: place.code(content) != codes[0], FOLLOWED_SECONDS)
            codes.append(place.code(content))
            place.publish(kind)
            wait_until(lambda: place.code(content) != codes[1], FOLLOWED_SECONDS)
            codes.append(place.code(content))
        write(compose(edge.settings, [address], read_contracts(contracts)))
        yield Joined(place, process, content, kind, codes, outcomes, edge)


def test_its_method_is_unknown_then_waits_for_its_model_and_is_then_answered(joined: Joined) -> None:
    assert joined.codes == ["UNIMPLEMENTED", "UNAVAILABLE", "OK"]


def test_nobody_else_notices(joined: Joined) -> None:
    assert joined.process.poll() is None
    assert set(joined.outcomes) == {"OK"}
    assert joined.outcomes["OK"] > 100


def test_its_answers_are_its_models_own(joined: Joined) -> None:
    table = shelves().head(20)
    answers = [joined.place.ask(joined.content, **row) for row in table.to_dict("records")]
    own = joined.kind.model.predict_proba(table)[:, 1]
    assert [answer.empty_probability for answer in answers] == pytest.approx(own, abs=1e-5)
    assert [answer.urgency for answer in answers] == [1 + (probability >= 0.5) for probability in own]
    assert {(answer.prediction.model, answer.prediction.arm) for answer in answers} == {(f"{TEAM}_{MODEL}", "champion")}


def test_a_tenant_that_may_not_call_its_model_or_service_is_refused(joined: Joined) -> None:
    for tenant, reason in (("team3", "MODEL_NOT_ALLOWED"), ("narrow", "SERVICE_NOT_ALLOWED")):
        with pytest.raises(gapura_client.PermissionDenied) as refused:
            joined.place.ask(joined.content, tenant, **SHELF)
        assert (refused.value.reason, refused.value.metadata["tenant"]) == (reason, tenant)


def test_a_bad_request_is_told_by_the_names_of_its_fields(joined: Joined) -> None:
    with pytest.raises(gapura_client.InvalidArgument) as refused:
        joined.place.ask(joined.content, stock=float("inf"))
    assert [violation.field for violation in refused.value.violations] == ["stock", "daily_sales"]


def test_rest_answers_as_grpc_once_the_edge_has_the_set_too(joined: Joined) -> None:
    request = urllib.request.Request(
        f"http://{joined.edge.address}{REST_PATH}",
        json.dumps(SHELF).encode(),
        {"content-type": "application/json", "x-api-key": joined.place.keys[TEAM]},
    )

    def answer() -> bytes:
        try:
            with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310 - as above
                return bytes(response.read())
        except urllib.error.HTTPError as error:
            error.close()
            return b""

    wait_until(lambda: answer() != b"", FOLLOWED_SECONDS)
    by_rest, by_grpc = Parse(answer(), method_of(joined.content).response()), joined.place.ask(joined.content, **SHELF)
    for message in (by_rest, by_grpc):
        message.prediction.ClearField("prediction_id")
    assert MessageToDict(by_rest) == MessageToDict(by_grpc)


def test_its_calls_are_traced(joined: Joined) -> None:
    trace = os.urandom(16).hex()
    joined.place.ask(joined.content, TEAM, ("traceparent", f"00-{trace}-{'1' * 16}-01"), **SHELF)

    def found() -> list[dict[str, object]]:
        return [each for each in joined.place.traces() if each["trace"] == trace and each["kind"] == "call"]

    wait_until(lambda: bool(found()), FOLLOWED_SECONDS)
    assert [(each["path"], each["tenant"], each["model"]) for each in found()] == [(PATH, TEAM, f"{TEAM}_{MODEL}")]


def test_health_and_reflection_know_it(joined: Joined) -> None:
    with gapura_client.connect(joined.place.address, api_key=joined.place.keys[TEAM]) as channel:
        for name in (SERVICE, f"{TEAM}_{MODEL}"):
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=name))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        assert SERVICE in ProtoReflectionDescriptorDatabase(channel).get_services()
    with gapura_client.connect(joined.place.address, api_key=joined.place.keys["team3"]) as channel:
        assert SERVICE not in ProtoReflectionDescriptorDatabase(channel).get_services()


def test_the_command_line_calls_it(joined: Joined) -> None:
    command = ["call", "--contracts", str(joined.place.contracts / f"{TEAM}.binpb"), "refill", "--stock", "12"]
    options = ["--daily-sales", "20", "--target", joined.place.address, "--api-key", joined.place.keys[TEAM]]
    done = subprocess.run([*COMMAND, *command, *options], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["urgency"] == "URGENCY_HIGH"


def test_a_set_that_breaks_changes_nothing_and_is_told_of_with_its_reason(joined: Joined) -> None:
    joined.place.lay(joined.content[:-20])
    told = wait_for(joined.process, "left out")
    assert (Path(told["what"]).name, told["reason"]) == (
        f"{TEAM}.binpb",
        "not a descriptor set; write it with protoc --include_imports",
    )
    assert joined.place.code(joined.content) == "OK"
    joined.place.lay(joined.content)
