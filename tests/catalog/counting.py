"""A model whose version N answers x + N, the catalogs in which it moves on, and callers that see through any mix-up."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import numpy as np
from erpml.catalog.v1 import catalog_pb2
from onnx import helper, numpy_helper
from tritonclient.grpc import service_pb2, service_pb2_grpc

from tests.contract.repository import Published, Tensor, write_model

MODEL = "team9_counting"
VERSIONS = 24
PATIENCE_SECONDS = 30.0


def write_counting(repository: Path) -> catalog_pb2.Model:
    """Writes every version of the model; returns an entry of the catalog that has them all."""
    nodes = {}
    for number in range(1, VERSIONS + 1):
        value = numpy_helper.from_array(np.array([number], np.float32), "number")
        constant = helper.make_node("Constant", [], ["number"], value=value)
        nodes[number] = [constant, helper.make_node("Add", ["X", "number"], ["Y"])]
    ports = [Tensor("X", "FP32", (1,))], [Tensor("Y", "FP32", (1,))]
    return write_model(repository, Published(MODEL, *ports, nodes, serves=tuple(nodes)))


def catalog_of(model: catalog_pb2.Model, number: int) -> catalog_pb2.Catalog:
    """Returns the catalog of a generation: that version is champion, and the one before stays loaded."""
    entry = catalog_pb2.Model()
    entry.CopyFrom(model)
    del entry.versions[:]
    entry.versions.extend(version for version in model.versions if number - 1 <= version.number <= number)
    entry.arms[0].version, entry.previous_version = number, number - 1
    return catalog_pb2.Catalog(generation=number, models=[entry])


@dataclass(slots=True)
class Callers:
    """Calls one after the other each, and what came of them.

    Attributes:
        answered: Versions that answered, in order, one list for each caller.
        failed: What other callers were told.
    """

    answered: list[list[int]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def latest(self) -> set[int]:
        """Returns the version that answered each caller last; 0 for nobody yet."""
        return {seen[-1] if seen else 0 for seen in self.answered}

    async def reach(self, version: int) -> None:
        """Waits until every caller is answered by a version."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.latest() != {version}:
                await asyncio.sleep(0.01)

    async def call(self, address: str, key: str, number: int) -> None:
        """Calls until it is cancelled; every caller sends a value of its own."""
        seen = list[int]()
        self.answered.append(seen)
        async with grpc.aio.insecure_channel(address) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            while True:
                try:
                    answer = await stub.ModelInfer(request_of(number), metadata=(("x-api-key", key),), timeout=20)
                except grpc.aio.AioRpcError as error:
                    self.failed.append(f"{error.code().name}: {error.details()}")
                    await asyncio.sleep(0.1)
                    continue
                version = int(answer.model_version)
                (value,) = struct.unpack("<f", answer.raw_output_contents[0])
                if value != number + version:
                    self.failed.append(f"version {version} said {value} to {number}")
                seen.append(version)


def request_of(number: int) -> service_pb2.ModelInferRequest:
    """Returns a request of one value."""
    request = service_pb2.ModelInferRequest(model_name=MODEL, raw_input_contents=[struct.pack("<f", number)])
    request.inputs.add(name="X", datatype="FP32", shape=[1, 1])
    return request


@asynccontextmanager
async def calling(addresses: list[str], key: str, callers: int) -> AsyncIterator[Callers]:
    """Lets callers call, shared out between gateways, each over a connection of its own."""
    seen = Callers()
    tasks = [
        asyncio.create_task(seen.call(addresses[number % len(addresses)], key, 1000 * number))
        for number in range(callers)
    ]
    try:
        yield seen
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
