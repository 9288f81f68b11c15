"""What a request wants beside an answer to its inputs: calls share a batch only where that is the same."""

import pytest
from tritonclient.grpc import service_pb2

from gateway.edge.kserve.frames import Asked
from gateway.edge.kserve.infer import TensorMethod
from gateway.types import PLAIN, Arm, ModelVersion, Tensors, TensorSpec, Terms
from tests.contract.cases import infer
from tests.gateway.models import version

OUTPUTS = tuple(TensorSpec(name, "FP32", (2,)) for name in ("a", "b", "c"))
SERVED = version(outputs=OUTPUTS)
ALONE = version(outputs=OUTPUTS, max_batch_size=0)


def terms_of(served: ModelVersion = SERVED, **fields: object) -> Terms:
    """Returns the terms of a request that fits."""
    shape = [1, 2] if served.max_batch_size else [2]
    request = infer(served.model, ("x", "FP32", shape, bytes(8)), **fields)  # type: ignore[arg-type] # of its own
    inputs, _ = TensorMethod().rows(Asked(request, request.raw_input_contents), Arm("champion", served))
    return inputs.terms


def own(terms: Terms) -> tuple[str, set[str]]:
    """Returns the id and the names of the parameters that go along."""
    request = service_pb2.ModelInferRequest.FromString(terms.parameters)
    return request.id, set(request.parameters)


def test_a_plain_request_has_plain_terms() -> None:
    assert terms_of() is PLAIN


@pytest.mark.parametrize(
    ("named", "positions"),
    [(["b"], (1,)), (["c", "a"], (0, 2)), (["a", "b", "c"], ()), (["c", "b", "a"], ()), (["a", "a"], (0,))],
)
def test_outputs_are_told_by_position_and_all_of_them_as_none(named: list[str], positions: tuple[int, ...]) -> None:
    assert terms_of(outputs=named) == Terms(positions)


def test_an_output_wanted_as_classes_is_wanted_as_a_tensor_of_the_model() -> None:
    assert terms_of(outputs={"b": {"classification": 1}}) == terms_of(outputs=["b"])


def test_parameters_of_the_model_go_along_whatever_order_they_came_in() -> None:
    one, other = {"threshold": 0.5, "beam": 4}, {"beam": 4, "threshold": 0.5}
    assert terms_of(parameters=one) == terms_of(parameters=other)
    assert terms_of(parameters=one) != terms_of(parameters={**one, "beam": 5})
    assert own(terms_of(parameters=one)) == ("", {"threshold", "beam"})


def test_what_the_gateway_sees_to_itself_keeps_no_calls_apart() -> None:
    assert terms_of(parameters={"priority": 1, "triton_enable_empty_final_response": True}) == PLAIN


def test_a_call_that_is_alone_anyway_takes_its_id_along() -> None:
    assert own(terms_of(ALONE)) == ("r1", set())
    assert own(terms_of(parameters={"sequence_id": 7, "sequence_start": True})) == (
        "r1",
        {"sequence_id", "sequence_start"},
    )


def test_an_answer_has_the_outputs_that_were_wanted_and_the_parameters_of_the_response() -> None:
    method, arm = TensorMethod(), Arm("champion", SERVED)
    request = infer(SERVED.model, ("x", "FP32", [1, 2], bytes(8)), outputs=["c", "a"])
    told = service_pb2.ModelInferResponse()
    told.parameters["calibration"].string_param = "isotonic"
    outputs = Tensors(1, ((2,), (2,)), (b"aaaaaaaa", b"cccccccc"), Terms((0, 2), told.SerializeToString()))
    answer = service_pb2.ModelInferResponse.FromString(method.answer(Asked(request, ()), {}, outputs, arm))
    assert [output.name for output in answer.outputs] == ["a", "c"]
    assert list(answer.raw_output_contents) == [b"aaaaaaaa", b"cccccccc"]
    assert (answer.id, answer.parameters) == ("r1", told.parameters)
