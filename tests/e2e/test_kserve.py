"""Triton's own clients work unchanged, and get Triton's words when they err."""

from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

from hub.training.credit_scoring import MODEL
from tests.e2e.conftest import Serving

ROW = np.array([[0.5, 45, 0, 0.25, 4000, 6, 0, 1, 0, 2]])


def tensor(rows: np.ndarray = ROW, name: str = "input", datatype: str = "FP64") -> triton.InferInput:
    """Returns an input as Triton's client makes it."""
    made = triton.InferInput(name, rows.shape, datatype)
    made.set_data_from_numpy(rows)
    return made


@pytest.fixture
def headers(serving: Serving) -> dict[str, str]:
    """Returns the metadata that says who calls."""
    return {"x-api-key": serving.api_key}


def test_readiness_and_metadata(
    tensors: triton.InferenceServerClient, headers: dict[str, str], serving: Serving
) -> None:
    assert tensors.is_server_live(headers)
    assert tensors.is_server_ready(headers)
    assert tensors.is_model_ready(MODEL, headers=headers)
    assert tensors.is_model_ready(MODEL, "1", headers=headers)
    assert not tensors.is_model_ready("nope", headers=headers)
    assert not tensors.is_model_ready(MODEL, headers={"x-api-key": serving.foreign_key})
    assert tensors.get_server_metadata(headers).name == "gapura"
    metadata = tensors.get_model_metadata(MODEL, headers=headers)
    assert [(each.name, each.datatype, list(each.shape)) for each in metadata.inputs] == [("input", "FP64", [-1, 10])]
    assert {each.name: list(each.shape) for each in metadata.outputs}["probabilities"] == [-1, 2]
    config = tensors.get_model_config(MODEL, headers=headers).config
    assert (config.name, config.backend, config.input[0].name) == (MODEL, "onnxruntime", "input")


def test_inference_keeps_id_order_and_the_outputs_asked_for(
    tensors: triton.InferenceServerClient, headers: dict[str, str]
) -> None:
    asked = [triton.InferRequestedOutput("probabilities")]
    answer = tensors.infer(MODEL, [tensor(np.repeat(ROW, 3, 0))], outputs=asked, request_id="a7", headers=headers)
    assert (answer.get_response().id, answer.get_response().model_version) == ("a7", "1")
    assert [output.name for output in answer.get_response().outputs] == ["probabilities"]
    assert answer.as_numpy("probabilities").shape == (3, 2)
    both = tensors.infer(MODEL, [tensor()], headers=headers)
    assert both.as_numpy("label").shape == (1, 1)
    assert np.array_equal(both.as_numpy("probabilities")[0], answer.as_numpy("probabilities")[2])


async def test_the_asyncio_client_works(serving: Serving, headers: dict[str, str]) -> None:
    async with triton_aio.InferenceServerClient(serving.address) as client:
        answer = await client.infer(MODEL, [tensor()], headers=headers)
    assert answer.as_numpy("probabilities").sum() == pytest.approx(1)


def test_typed_contents_equal_raw_ones(tensors: triton.InferenceServerClient, headers: dict[str, str]) -> None:
    request = service_pb2.ModelInferRequest(model_name=MODEL)
    made = request.inputs.add(name="input", datatype="FP64", shape=[1, 10])
    made.contents.fp64_contents.extend(ROW[0])
    stub = service_pb2_grpc.GRPCInferenceServiceStub(tensors._channel)  # noqa: SLF001 - to send what its own API cannot
    answer = stub.ModelInfer(request, metadata=tuple(headers.items()))
    raw = tensors.infer(MODEL, [tensor()], headers=headers).get_response()
    assert answer.raw_output_contents == raw.raw_output_contents


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ({"model_name": "team3_nope"}, "NOT_FOUND", "Request for unknown model: 'team3_nope' is not found"),
        ({"model_version": "7"}, "NOT_FOUND", "Request for unknown model: 'MODEL' version 7 is not found"),
        (
            {"model_version": "abc"},
            "INVALID_ARGUMENT",
            "failed to get model version from specified version string 'abc'",
        ),
        (
            {"inputs": [tensor(ROW[:, :9])]},
            "INVALID_ARGUMENT",
            "[request id: r1] unexpected shape for input 'input' for model 'MODEL'. Expected [-1,10], got [1,9].",
        ),
        ({"inputs": [tensor(ROW[0])]}, "INVALID_ARGUMENT", "unexpected shape"),
        (
            {"inputs": [tensor(ROW.astype(np.float32), datatype="FP32")]},
            "INVALID_ARGUMENT",
            "[request id: r1] inference input 'input' data-type is 'FP32', but model 'MODEL' expects 'FP64'",
        ),
        (
            {"inputs": [tensor(np.repeat(ROW, 1025, 0))]},
            "INVALID_ARGUMENT",
            "[request id: r1] inference request batch-size must be <= 1024 for 'MODEL'",
        ),
        (
            {"inputs": [tensor(ROW[:0])]},
            "INVALID_ARGUMENT",
            "input byte size mismatch for input 'input' for model 'MODEL'. Expected 80, got 0",
        ),
        ({"inputs": [tensor(name="Z")]}, "INVALID_ARGUMENT", "unexpected inference input 'Z' for model 'MODEL'"),
        ({"inputs": [tensor(), tensor(name="Z")]}, "INVALID_ARGUMENT", "expected 1 inputs but got 2 inputs"),
        (
            {"inputs": []},
            "INVALID_ARGUMENT",
            "Got input(s) [], but missing required input(s) ['input'].",
        ),
        ({"outputs": [triton.InferRequestedOutput("nope")]}, "INVALID_ARGUMENT", "unexpected inference output 'nope'"),
    ],
)
def test_a_bad_request_is_told_in_tritons_words(
    tensors: triton.InferenceServerClient, headers: dict[str, str], arguments: dict[str, Any], code: str, message: str
) -> None:
    with pytest.raises(InferenceServerException) as refused:
        tensors.infer(
            **{"model_name": MODEL, "inputs": [tensor()], "request_id": "r1", "headers": headers, **arguments}
        )
    assert refused.value.status() == f"StatusCode.{code}"
    assert message.replace("MODEL", MODEL) in refused.value.message()


@pytest.mark.parametrize(
    ("raw", "typed", "message"),
    [
        ([bytes(72)], [], "input byte size mismatch for input 'input' for model 'MODEL'. Expected 80, got 72"),
        ([], [1.0], "input byte size mismatch for input 'input' for model 'MODEL'. Expected 80, got 8"),
        ([bytes(80)], [1.0], "contents field must not be specified when using raw_input_contents for 'input'"),
        ([], [], "unable to find data for input tensor 'input' for model 'MODEL' in request."),
    ],
)
def test_bytes_that_do_not_fill_the_tensor_are_refused(
    tensors: triton.InferenceServerClient, headers: dict[str, str], raw: list[bytes], typed: list[float], message: str
) -> None:
    request = service_pb2.ModelInferRequest(model_name=MODEL, raw_input_contents=raw)
    request.inputs.add(name="input", datatype="FP64", shape=[1, 10]).contents.fp64_contents.extend(typed)
    if not typed:
        request.inputs[0].ClearField("contents")
    stub = service_pb2_grpc.GRPCInferenceServiceStub(tensors._channel)  # noqa: SLF001 - to send what its own API cannot
    with pytest.raises(grpc.RpcError) as refused:
        stub.ModelInfer(request, metadata=tuple(headers.items()))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert message.replace("MODEL", MODEL) in str(refused.value.details())


def test_shared_memory_is_refused_rather_than_left_undone(
    tensors: triton.InferenceServerClient, headers: dict[str, str]
) -> None:
    asked = triton.InferRequestedOutput("probabilities")
    asked.set_shared_memory("region", 8)
    with pytest.raises(InferenceServerException, match="shared memory is not served") as refused:
        tensors.infer(MODEL, [tensor()], outputs=[asked], headers=headers)
    assert refused.value.status() == "StatusCode.UNIMPLEMENTED"


def test_a_tenant_that_is_no_operator_cannot_unload(
    tensors: triton.InferenceServerClient, headers: dict[str, str]
) -> None:
    with pytest.raises(InferenceServerException, match="no operator"):
        tensors.unload_model(MODEL, headers=headers)
    assert tensors.is_model_ready(MODEL, headers=headers)
