"""Triton's own Python clients, used as its public examples use them, work unchanged but for the key."""

import queue
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException
from tritonclient.utils import shared_memory as shm

from tests.contract.targets import Target

FIRST, SECOND = np.arange(16, dtype=np.int32)[None], np.ones((1, 16), dtype=np.int32)
PATIENCE_SECONDS = 20


@pytest.fixture
def client(served: Target) -> Iterator[triton.InferenceServerClient]:
    """Opens the blocking client."""
    with triton.InferenceServerClient(served.address) as opened:
        yield opened


def inputs() -> list[triton.InferInput]:
    """Returns the inputs of `simple`, as in simple_grpc_infer_client.py."""
    made = [triton.InferInput("INPUT0", [1, 16], "INT32"), triton.InferInput("INPUT1", [1, 16], "INT32")]
    made[0].set_data_from_numpy(FIRST)
    made[1].set_data_from_numpy(SECOND)
    return made


def check(result: Any) -> None:
    """Checks sum and difference."""
    assert np.array_equal(result.as_numpy("OUTPUT0"), FIRST + SECOND)
    assert np.array_equal(result.as_numpy("OUTPUT1"), FIRST - SECOND)


def test_health_and_metadata(client: triton.InferenceServerClient, served: Target) -> None:
    headers = served.headers
    assert client.is_server_live(headers=headers)
    assert client.is_server_ready(headers=headers)
    assert client.is_model_ready("simple", headers=headers)
    metadata = client.get_server_metadata(headers=headers)
    assert (metadata.name, "statistics" in metadata.extensions) == ("gapura", True)
    assert client.get_model_metadata("simple", headers=headers, as_json=True)["name"] == "simple"
    assert client.get_model_config("simple", headers=headers).config.max_batch_size == 8
    assert client.get_inference_statistics("simple", headers=headers).model_stats[0].name == "simple"
    with pytest.raises(InferenceServerException, match="Request for unknown model: 'wrong_model_name' is not found"):
        client.get_model_metadata("wrong_model_name", headers=headers)


def test_infer(client: triton.InferenceServerClient, served: Target) -> None:
    outputs = [triton.InferRequestedOutput("OUTPUT0"), triton.InferRequestedOutput("OUTPUT1")]
    check(client.infer("simple", inputs(), outputs=outputs, client_timeout=PATIENCE_SECONDS, headers=served.headers))
    check(client.infer("simple", inputs(), headers=served.headers, compression_algorithm="gzip"))


def test_infer_of_texts(client: triton.InferenceServerClient, served: Target) -> None:
    texts = np.array([["eins", "zwei ü"]], dtype=object)
    given = triton.InferInput("X", [1, 2], "BYTES")
    given.set_data_from_numpy(texts)
    answered = client.infer("same_bytes", [given], headers=served.headers).as_numpy("Y")
    assert [text.decode() for text in answered[0]] == ["eins", "zwei ü"]


def test_explicit_contents(client: triton.InferenceServerClient, served: Target) -> None:
    request = service_pb2.ModelInferRequest(model_name="simple", id="my request id")
    for number in range(2):
        given = request.inputs.add(name=f"INPUT{number}", datatype="INT32", shape=[1, 16])
        given.contents.int_contents[:] = range(16)
    stub = service_pb2_grpc.GRPCInferenceServiceStub(client._channel)  # noqa: SLF001 - to send what its own API cannot
    answer = stub.ModelInfer(request, metadata=tuple(served.headers.items()))
    assert np.array_equal(np.frombuffer(answer.raw_output_contents[0], np.int32), np.arange(16) * 2)


def test_classification(client: triton.InferenceServerClient, served: Target) -> None:
    given = triton.InferInput("X", [1, 4], "FP32")
    given.set_data_from_numpy(np.array([[0.1, 0.7, 0.2, 0.0]], dtype=np.float32))
    asked = [triton.InferRequestedOutput("P", class_count=2)]
    answered = client.infer("classes", [given], outputs=asked, headers=served.headers).as_numpy("P")
    assert [text.decode() for text in answered[0]] == ["0.700000:1:dog", "0.200000:2:newt"]


def test_asynchronous_calls_with_callbacks(client: triton.InferenceServerClient, served: Target) -> None:
    done: queue.Queue[tuple[Any, Any]] = queue.Queue()
    for _ in range(8):
        client.async_infer("simple", inputs(), lambda result, error: done.put((result, error)), headers=served.headers)
    for _ in range(8):
        result, error = done.get(timeout=PATIENCE_SECONDS)
        assert error is None
        check(result)


def test_streams_with_callbacks(client: triton.InferenceServerClient, served: Target) -> None:
    done: queue.Queue[tuple[Any, Any]] = queue.Queue()
    client.start_stream(partial(lambda told, result, error: told.put((result, error)), done), headers=served.headers)
    for number in range(8):
        client.async_stream_infer("simple", inputs(), request_id=str(number))
    client.async_stream_infer("nope", inputs(), request_id="wrong")
    for number in range(8):
        result, error = done.get(timeout=PATIENCE_SECONDS)
        assert (error, result.get_response().id) == (None, str(number))
        check(result)
    assert "is not found" in str(done.get(timeout=PATIENCE_SECONDS)[1])
    client.stop_stream()


async def test_the_asyncio_client_streams(served: Target) -> None:
    async def requests() -> AsyncIterator[dict[str, Any]]:
        for number in range(8):
            yield {"model_name": "simple", "inputs": inputs(), "request_id": str(number)}

    async with triton_aio.InferenceServerClient(served.address) as client:
        answers = client.stream_infer(requests(), headers=served.headers)
        ids = []
        async for result, error in answers:
            assert error is None
            check(result)
            ids.append(result.get_response().id)
    assert ids == [str(number) for number in range(8)]


async def test_the_asyncio_client_infers_and_describes(served: Target) -> None:
    async with triton_aio.InferenceServerClient(served.address) as client:
        check(await client.infer("simple", inputs(), headers=served.headers))
        assert await client.is_model_ready("simple", headers=served.headers)
        assert (await client.get_model_config("simple", headers=served.headers)).config.name == "simple"


def test_model_control(client: triton.InferenceServerClient, served: Target) -> None:
    headers = served.operator
    assert any(each.name == "versions" for each in client.get_model_repository_index(headers=headers).models)
    client.unload_model("versions", headers=headers)
    assert not client.is_model_ready("versions", headers=headers)
    client.load_model("versions", headers=headers)
    assert client.is_model_ready("versions", headers=headers)
    with pytest.raises(InferenceServerException, match="failed to load 'wrong_model_name'"):
        client.load_model("wrong_model_name", headers=headers)
    settings = client.get_log_settings(headers=headers, as_json=True)["settings"]
    assert "log_verbose_level" in settings
    assert "trace_rate" in client.get_trace_settings(headers=headers, as_json=True)["settings"]


def test_a_client_timeout(client: triton.InferenceServerClient, served: Target) -> None:
    """No machine moves 32 MiB there and back in a millisecond, however idle; a small call might be answered first."""
    rows = np.zeros((1, 4 * 1024 * 1024, 2), dtype=np.float32)
    given = triton.InferInput("X", [*rows.shape], "FP32")
    given.set_data_from_numpy(rows)
    with pytest.raises(InferenceServerException) as late:
        client.infer("anywhere", [given], client_timeout=0.001, headers=served.headers)
    assert late.value.status() == "StatusCode.DEADLINE_EXCEEDED"


def test_shared_memory_is_refused_with_a_reason(client: triton.InferenceServerClient, served: Target) -> None:
    client.unregister_system_shared_memory(headers=served.headers)
    client.unregister_cuda_shared_memory(headers=served.headers)
    region = shm.create_shared_memory_region("input_data", "/gapura_contract", 64)
    try:
        with pytest.raises(InferenceServerException, match="shared memory is not served") as refused:
            client.register_system_shared_memory("input_data", "/gapura_contract", 64, headers=served.headers)
    finally:
        shm.destroy_shared_memory_region(region)
    assert refused.value.status() == "StatusCode.UNIMPLEMENTED"
