"""What an experiment means for answers: typed, in batches, and as tensors."""

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from erpml.types.v1 import prediction_info_pb2 as info_pb2
from tritonclient.grpc import service_pb2

from gateway.calls import Call
from gateway.contracts.compilation import Compiled, compile_methods
from gateway.contracts.descriptors import link
from gateway.edge.kserve.infer import TensorMethod
from gateway.edge.status import status_of
from gateway.errors import ContractError, GatewayError, InvalidRequest, ModelFailed, PermissionDenied
from gateway.experiments import Condition
from gateway.features.absent import NoFeatures
from gateway.pipeline import Pipeline
from gateway.routing.routes import Routes, compile_routes
from gateway.telemetry.off import NoTelemetry
from gateway.tenancy.directory import open_directory
from gateway.tenancy.keys import new_key
from gateway.tenancy.policies import KeyEntry, TenantPolicy, Tenants
from gateway.testing import FakeLanes
from gateway.types import Arm, Assignment, Model, ModelVersion, Tensors, TensorSpec
from tests.gateway.contract_source import SCORE, compile_contract, fed
from tests.gateway.models import version
from tests.gateway.routing.models import CHALLENGER, experiment, slices

KEY, HASHED = new_key()
NAME = "team9_test"
INPUT = (TensorSpec("x", "FP32", (2,), ("x1", "x2")),)
VERSIONS = {number: version(INPUT, number=number, max_batch_size=512) for number in (1, 2)}
CONTRACT = f"""
service LeadService {{
  rpc ScoreLead(Lead) returns (Score) {{
    option (erpml.annotations.v1.serving) = {{ model: "{NAME}" unit: "UNIT" }};
  }}
  rpc BatchScoreLead(Leads) returns (Scores) {{
    option (erpml.annotations.v1.serving) = {{ batch_of: "ScoreLead" }};
  }}
}}
enum Channel {{ CHANNEL_UNSPECIFIED = 0; CHANNEL_WEB = 1; }}
message Owner {{ string account = 1; int64 number = 2; repeated string names = 3; double share = 4; }}
message Lead {{
  optional float x1 = 1 [{fed("x1")}]; optional float x2 = 2 [{fed("x2")}];
  Owner owner = 3; Channel channel = 4; optional bool new = 5; string plain = 6;
}}
message Leads {{ repeated Lead leads = 1; }}
message Score {{ {SCORE} erpml.types.v1.PredictionInfo info = 15; }}
message Result {{ oneof result {{ Score score = 1; google.rpc.Status status = 2; }} }}
message Scores {{ repeated Result results = 1; }}
"""


@dataclass(slots=True)
class Halves(FakeLanes):
    """Lanes that answer with their inputs, and fail versions.

    Attributes:
        failing: Numbers of those that fail.
        asked: Number of the version of each batch.
    """

    failing: set[int] = field(default_factory=set)
    asked: list[int] = field(default_factory=list)

    async def infer(self, version: ModelVersion, inputs: Tensors, *rest: Any, **named: Any) -> Tensors:
        """Answers with the inputs."""
        self.asked.append(version.number)
        if version.number in self.failing:
            raise ModelFailed(version.model, version.number, "failed")
        return await FakeLanes.infer(self, version, inputs, *rest, **named)


@dataclass(slots=True)
class Counted:
    """Trials that remember what they were told."""

    told: list[tuple[str, str]] = field(default_factory=list)

    def answered(self, arm: Arm, seconds: float, outputs: Tensors) -> None:
        """Remembers an answer."""
        assert seconds > 0
        assert outputs.rows
        self.told.append((arm.name, "answered"))

    def failed(self, arm: Arm, seconds: float, error: BaseException) -> None:
        """Remembers an error."""
        assert seconds > 0
        assert isinstance(error, GatewayError)
        self.told.append((arm.name, "failed"))

    def substituted(self, arm: Arm) -> None:
        """Remembers that the champion stood in."""
        self.told.append((arm.name, "substituted"))


def compiled(folder: Path, unit: str = "owner.account") -> Compiled:
    """Compiles the contract."""
    methods = link({"team5": compile_contract(folder, CONTRACT.replace("UNIT", unit))}).methods
    own = [each for each in methods if "team5" in each.service]
    return compile_methods(own, {NAME: model_of()}, {}, {}, status_of)


def model_of(*experiments: Any) -> Model:
    """Returns a model with two versions."""
    arms = (Arm("champion", VERSIONS[1]), Arm("challenger", VERSIONS[2]))
    return Model(NAME, VERSIONS, arms, {}, experiments=experiments)


class Desk:
    """A pipeline of one tenant and one model with an experiment."""

    def __init__(self, folder: Path, *experiments: Any, **policy: Any) -> None:
        entry = {"name": "acme", "models": ["*"], "keys": [KeyEntry.of(HASHED)], **policy}
        tenants = open_directory(Tenants(tenants=(TenantPolicy.model_validate(entry),)))
        self.methods: dict[str, Any] = {path.split("/")[-1]: each for path, each in compiled(folder).methods.items()}
        self.lanes, self.trials = Halves(loaded={*VERSIONS.values()}), Counted()
        self.routes: Routes = compile_routes({NAME: model_of(*experiments)}, self.lanes.ready)
        self.pipeline = Pipeline(tenants, self.routes, NoFeatures(), self.lanes, NoTelemetry(), self.trials)

    async def score(self, **fields: Any) -> Any:
        """Scores a lead, and returns what is said of who answered."""
        method, pin, unit = self.methods["ScoreLead"], fields.pop("pin", None), fields.pop("call_unit", None)
        message = method.request(x1=0.25, x2=0.5, **fields).SerializeToString()
        answer = await self.pipeline.answer(method, Call(message, KEY, None, pin=pin, unit=unit))
        return method.response.FromString(answer).info

    async def batch(self, *leads: dict[str, Any]) -> Any:
        """Scores several, and returns their results."""
        method = self.methods["BatchScoreLead"]
        message = method.request(leads=leads).SerializeToString()
        return method.response.FromString(await self.pipeline.answer_batch(method, Call(message, KEY, None))).results

    async def infer(self, unit: str | None, **parameters: Any) -> Any:
        """Asks by tensors."""
        request = service_pb2.ModelInferRequest(
            model_name=NAME, raw_input_contents=[struct.pack("<2f", 0.25, 0.5)], parameters=parameters
        )
        request.inputs.add(name="x", datatype="FP32", shape=[1, 2])
        call = Call(request.SerializeToString(), KEY, None, unit=unit)
        return service_pb2.ModelInferResponse.FromString(await self.pipeline.answer(TensorMethod(), call))


HALF = experiment(slices=slices(challenger=5_000))
UNITS = [f"u{number}" for number in range(24)]


async def test_an_answer_says_by_which_experiment_and_how_its_arm_was_chosen(tmp_path: Path) -> None:
    desk = Desk(tmp_path, HALF)
    by_unit, by_call = await desk.score(owner={"account": "u1"}), await desk.score()
    assert (by_unit.experiment, by_unit.assignment) == ("cheaper", info_pb2.ASSIGNMENT_UNIT)
    assert (by_call.experiment, by_call.assignment) == ("cheaper", info_pb2.ASSIGNMENT_CALL)
    assert by_unit.arm == {1: "champion", 2: "challenger"}[by_unit.version]
    pinned = await desk.score(pin="challenger")
    assert (pinned.arm, pinned.version, pinned.experiment) == ("challenger", 2, "")
    assert pinned.assignment == info_pb2.ASSIGNMENT_PINNED
    assert (await Desk(tmp_path).score()).assignment == info_pb2.ASSIGNMENT_CHAMPION


async def test_a_unit_has_the_same_arm_by_contract_by_metadata_as_tensors_and_in_a_batch(tmp_path: Path) -> None:
    desk = Desk(tmp_path, HALF)
    typed = [(await desk.score(owner={"account": unit})).arm for unit in UNITS]
    assert {*typed} == {"champion", "challenger"}
    assert [(await desk.score(call_unit=unit)).arm for unit in UNITS] == typed
    tensors = [(await desk.infer(unit)).parameters["gapura_arm"].string_param for unit in UNITS]
    assert tensors == typed
    items = [{"x1": 0.0, "x2": 0.5, "owner": {"account": unit}} for unit in UNITS]
    assert [result.score.info.arm for result in await desk.batch(*items)] == typed


async def test_the_answers_of_a_divided_batch_are_in_the_order_of_its_items(tmp_path: Path) -> None:
    desk = Desk(tmp_path, HALF)
    items = [{"x1": 0.0, "x2": float(at), "owner": {"account": unit}} for at, unit in enumerate(UNITS)]
    items[3] = {"owner": {"account": "u3"}, "x1": float("inf")}
    results = await desk.batch(*items)
    assert sorted(desk.lanes.asked) == [1, 2]
    assert results[3].WhichOneof("result") == "status"
    assert [result.score.score for at, result in enumerate(results) if at != 3] == [at for at in range(24) if at != 3]
    assert sorted(desk.trials.told) == [("challenger", "answered"), ("champion", "answered")]


async def test_an_arm_that_fails_costs_the_items_of_others_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path, HALF)
    desk.lanes.failing = {2}
    items = [{"x1": 0.0, "x2": 0.5, "owner": {"account": unit}} for unit in UNITS]
    results = await desk.batch(*items)
    told = [result.WhichOneof("result") for result in results]
    arms = [(await Desk(tmp_path, HALF).score(owner={"account": unit})).arm for unit in UNITS]
    assert told == [{"champion": "score", "challenger": "status"}[arm] for arm in arms]
    assert sorted(desk.trials.told) == [("challenger", "failed"), ("champion", "answered")]


async def test_a_batch_of_which_every_arm_fails_fails_as_a_call(tmp_path: Path) -> None:
    desk = Desk(tmp_path, HALF)
    desk.lanes.failing = {1, 2}
    with pytest.raises(ModelFailed):
        await desk.batch(*({"x1": 0.0, "x2": 0.5, "owner": {"account": unit}} for unit in UNITS))


async def test_a_divided_batch_is_not_larger_than_the_tenant_or_the_model_takes(tmp_path: Path) -> None:
    items = [{"x1": 0.0, "x2": 0.5, "owner": {"account": f"u{number}"}} for number in range(600)]
    with pytest.raises(InvalidRequest, match="600 items in one call"):
        await Desk(tmp_path, HALF).batch(*items)
    with pytest.raises(InvalidRequest, match="may send 5 rows in a call"):
        await Desk(tmp_path, HALF, max_batch_rows=5).batch(*items[:8])


async def test_only_a_tenant_that_may_pin_may_pin_by_metadata(tmp_path: Path) -> None:
    with pytest.raises(PermissionDenied):
        await Desk(tmp_path, HALF, pins=False).score(pin="challenger")


async def test_conditions_read_what_a_request_has(tmp_path: Path) -> None:
    whole = slices(challenger=10_000)
    for path, value, fields in (
        ("channel", "CHANNEL_WEB", {"channel": 1}),
        ("new", "true", {"new": True}),
        ("new", "false", {"new": False}),
        ("owner.number", "7", {"owner": {"number": 7}}),
        ("plain", "käse", {"plain": "käse"}),
    ):
        desk = Desk(tmp_path, experiment(slices=whole, conditions=(Condition(path, frozenset({value})),)))
        assert (await desk.score(**fields)).experiment == "cheaper"
        assert not (await desk.score()).experiment
        assert "gapura_arm" not in (await desk.infer("u")).parameters
    for path in ("nothing", "owner", "owner.names", "owner.share", "channel.web"):
        desk = Desk(tmp_path, experiment(slices=whole, conditions=(Condition(path, frozenset({"", "0.0", "None"})),)))
        assert not (await desk.score()).experiment


async def test_calls_of_a_sequence_go_to_one_version(tmp_path: Path) -> None:
    desk = Desk(tmp_path, HALF)
    for sequence in ({"int64_param": 7}, {"string_param": "s7"}):
        parameter = service_pb2.InferParameter(**sequence)
        versions = {(await desk.infer(None, sequence_id=parameter)).model_version for _ in range(12)}
        assert len(versions) == 1


async def test_a_condition_reads_a_parameter_of_tensors(tmp_path: Path) -> None:
    condition = Condition("channel", frozenset({"web", "7", "true"}))
    desk = Desk(tmp_path, experiment(slices=slices(challenger=10_000), conditions=(condition,)))
    for given, taken in (
        ({"string_param": "web"}, True),
        ({"int64_param": 7}, True),
        ({"bool_param": True}, True),
        ({"string_param": "shop"}, False),
        ({"double_param": 7.0}, False),
    ):
        found = await desk.infer("u", channel=service_pb2.InferParameter(**given))
        assert ("gapura_experiment" in found.parameters) == taken


async def test_a_whole_number_is_a_unit_and_zero_is_none(tmp_path: Path) -> None:
    found = compiled(tmp_path, "owner.number").methods["/erpml.team5.v1.LeadService/ScoreLead"]
    assert found.unit(found.request(owner={"number": 42})) == "42"
    assert not found.unit(found.request())


@pytest.mark.parametrize("unit", ["nothing", "owner", "owner.names", "owner.share", "channel", "new"])
def test_a_unit_that_is_neither_text_nor_whole_number_is_refused(tmp_path: Path, unit: str) -> None:
    refused = compiled(tmp_path, unit).refused["/erpml.team5.v1.LeadService/ScoreLead"]
    assert isinstance(refused, ContractError)
    assert f"unit '{unit}'" in refused.message


async def test_tensors_of_a_model_without_experiment_are_answered_as_by_triton(tmp_path: Path) -> None:
    assert not (await Desk(tmp_path).infer("u1")).parameters


async def test_the_champion_stands_in_for_an_arm_that_is_not_ready(tmp_path: Path) -> None:
    desk = Desk(tmp_path, experiment(slices=slices(challenger=10_000)))
    desk.lanes.loaded.discard(VERSIONS[2])
    found = await desk.score(owner={"account": "u1"})
    assert (found.arm, found.version, found.assignment) == ("champion", 1, Assignment.SUBSTITUTED)
    assert desk.trials.told == [("champion", "substituted")]
    assert CHALLENGER.name not in {arm for arm, _ in desk.trials.told}
