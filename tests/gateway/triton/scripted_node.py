"""A KServe v2 server that misbehaves on command: real nodes, in tests/chaos, cannot be told when to."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2, service_pb2

from gateway.backends.triton.backend import TritonBackend
from gateway.backends.triton.discovery import Discovery
from gateway.types import ModelVersion, Placement, Tensors
from tests.gateway.models import version

SERVICE = "inference.GRPCInferenceService"


@dataclass(slots=True)
class ScriptedNode:
    """One node: it answers every inference with its first input, unless told otherwise.

    Attributes:
        address: Where it listens.
        ready: Whether it says that its models are ready.
        lacks: Versions that it says are not, all the same.
        loads: Whether a load makes them ready; else the words with which it refuses.
        delay_seconds: How long it takes over an inference.
        refuses: Status and words with which it refuses inferences.
        traits: Text that goes into the configuration of its models.
        responses: What it sends to a request on a stream; where the last one is no last one, the stream breaks off.
        called: Names of the methods that were called, in order.
        cancelled: Inferences whose caller went away.
    """

    address: str = ""
    ready: bool = True
    lacks: set[str] = field(default_factory=set)
    loads: bool | str = True
    delay_seconds: float = 0.0
    refuses: tuple[grpc.StatusCode, str] | None = None
    traits: str = ""
    responses: Sequence[Any] = ()
    called: list[str] = field(default_factory=list)
    cancelled: int = 0

    def count(self, method: str) -> int:
        """Returns how often a method was called."""
        return self.called.count(method)

    async def model_infer(self, request: Any, context: Any) -> Any:
        """Answers with the first input."""
        refusal = self.refuses
        try:
            await asyncio.sleep(self.delay_seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if refusal:
            await context.abort(*refusal)
        response = service_pb2.ModelInferResponse(model_name=request.model_name, model_version=request.model_version)
        response.outputs.add(name="y", datatype=request.inputs[0].datatype, shape=request.inputs[0].shape)
        response.raw_output_contents.append(request.raw_input_contents[0])
        return response

    async def model_ready(self, request: Any, context: Any) -> Any:  # noqa: ARG002 - the same for all
        """Says what it was told to say."""
        return service_pb2.ModelReadyResponse(ready=self.ready and request.version not in self.lacks)

    async def model_config(self, request: Any, context: Any) -> Any:  # noqa: ARG002 - the same for all
        """Describes the model of `tests.gateway.models.version`."""
        config = model_config_pb2.ModelConfig(name=request.name, max_batch_size=8)
        config.input.add(name="x", data_type=model_config_pb2.TYPE_FP32, dims=[2])
        return service_pb2.ModelConfigResponse(config=text_format.Parse(self.traits, config))

    async def model_stream_infer(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        """Sends its responses to each request."""
        async for request in requests:
            self.called.append("ModelStreamInfer")
            for response in self.responses:
                response.infer_response.id = request.id
                yield response
            if self.refuses:
                await context.abort(*self.refuses)

    async def repository_model_load(self, request: Any, context: Any) -> Any:  # noqa: ARG002 - the same for all
        """Loads, or refuses."""
        if isinstance(self.loads, str):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, self.loads)
        self.ready, self.refuses = True, None
        return service_pb2.RepositoryModelLoadResponse()

    async def repository_model_unload(self, request: Any, context: Any) -> Any:  # noqa: ARG002 - the same for all
        """Unloads."""
        self.ready = False
        return service_pb2.RepositoryModelUnloadResponse()

    def handler(self, name: str, answer: Callable[[Any, Any], Any]) -> Any:
        """Returns the handler of a method."""

        async def counted(request: Any, context: Any) -> Any:
            self.called.append(name)
            return await answer(request, context)

        return grpc.unary_unary_rpc_method_handler(
            counted,
            request_deserializer=getattr(service_pb2, f"{name}Request").FromString,
            response_serializer=lambda response: response.SerializeToString(),
        )


@asynccontextmanager
async def listening(node: ScriptedNode, port: int = 0) -> AsyncIterator[ScriptedNode]:
    """Runs a node, on a free port unless one is given."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    answers = {
        "ModelInfer": node.model_infer,
        "ModelReady": node.model_ready,
        "ModelConfig": node.model_config,
        "RepositoryModelLoad": node.repository_model_load,
        "RepositoryModelUnload": node.repository_model_unload,
    }
    handlers = {name: node.handler(name, answer) for name, answer in answers.items()}
    handlers["ModelStreamInfer"] = grpc.stream_stream_rpc_method_handler(
        node.model_stream_infer,
        request_deserializer=service_pb2.ModelInferRequest.FromString,
        response_serializer=lambda response: response.SerializeToString(),
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    node.address = f"127.0.0.1:{server.add_insecure_port(f'127.0.0.1:{port}')}"
    await server.start()
    try:
        yield node
    finally:
        await server.stop(0)


@asynccontextmanager
async def backend_over(*nodes: str, gpu: tuple[str, ...] = ()) -> AsyncIterator[TritonBackend]:
    """Opens a backend over nodes."""
    backend = TritonBackend({Placement.CPU: Discovery(nodes), Placement.GPU: Discovery(gpu)})
    try:
        yield backend
    finally:
        await backend.close()


@asynccontextmanager
async def serving(*nodes: ScriptedNode) -> AsyncIterator[tuple[TritonBackend, ModelVersion]]:
    """Runs nodes and opens a backend over them, which serves one version on all of them."""
    async with AsyncExitStack() as stack:
        for node in nodes:
            await stack.enter_async_context(listening(node))
        backend = await stack.enter_async_context(backend_over(*(node.address for node in nodes)))
        served = version()
        await backend.load(served)
        await until(lambda: all(replica.ready for replica in backend.replicas(served)))
        yield backend, served


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Waits for something to become true."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


def row(value: float = 1.0) -> Tensors:
    """Returns a batch of one row of two floats."""
    return Tensors(1, ((2,),), (struct.pack("<2f", value, -value),))


async def main() -> None:
    """Runs a node in a process of its own, which can be stopped as a whole; prints its address."""
    async with listening(ScriptedNode()) as node:
        print(node.address, flush=True)  # noqa: T201 - to who started it
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
