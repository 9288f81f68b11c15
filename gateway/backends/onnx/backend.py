"""The embedded backend, as the gateway sees it: ONNX Runtime in this process, over a repository in Triton's layout."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from gateway.backends.log_settings import set_logs
from gateway.backends.onnx.loading import Loaded, load_version
from gateway.backends.onnx.placing import Places
from gateway.backends.operations import REFUSED, no_such_model, read_load, read_unload, unloaded
from gateway.backends.traces import read_traces
from gateway.errors import CatalogError, InvalidRequest
from gateway.traces import BatchTrace
from gateway.types import ModelVersion, Response, Tensors

# What stands in the place of a node where there is none.
EMBEDDED = "embedded"


class OnnxBackend:
    """Runs models of a repository: fast ones on the event loop, others in a small pool of threads.

    A version that an operator has unloaded stays so, whatever the catalog does, until an operator loads its model; a
    new version of that model is loaded as any other.

    Args:
        repository: Folder in Triton's layout.
        threads: Batches that run at the same time.
    """

    def __init__(self, repository: Path, threads: int) -> None:
        self._repository = repository
        self._threads = threads
        self._places = Places(ThreadPoolExecutor(threads, thread_name_prefix="onnx"), threads)
        self._loaded: dict[ModelVersion, Loaded] = {}
        self._operations: Mapping[str, Callable[[bytes], Awaitable[bytes]]] = {
            "RepositoryModelLoad": self._load_model,
            "RepositoryModelUnload": self._unload_model,
            "LogSettings": set_logs,
            "TraceSetting": partial(read_traces, self._versions),
        }

    async def load(self, version: ModelVersion) -> None:
        """Reads the version from the repository, and runs it a few times on made-up inputs.

        Raises:
            CatalogError: The repository does not hold what the catalog says.
        """
        if version not in self._loaded:
            self._loaded[version] = await asyncio.to_thread(load_version, self._repository, version)

    async def unload(self, version: ModelVersion) -> None:
        """Drops the version; a batch under way keeps its session until it ends."""
        self._loaded.pop(version, None)

    def config(self, version: ModelVersion) -> bytes:
        """Returns the serialised `inference.ModelConfig` of a loaded version."""
        return self._loaded[version].config

    def ready(self, version: ModelVersion) -> bool:
        """Says whether a loaded version can answer: whether no operator has unloaded it."""
        loaded = self._loaded.get(version)
        return loaded is not None and loaded.runner is not None

    def places(self, version: ModelVersion) -> int:  # noqa: ARG002 - all versions share the threads
        """Returns how many batches can be computed side by side: one in each thread."""
        return self._threads

    async def infer(
        self,
        version: ModelVersion,
        inputs: Tensors,
        deadline: float | None,  # noqa: ARG002 - a running session cannot be stopped
        *,
        trace: BatchTrace | None = None,
    ) -> Tensors:
        """Runs one batch.

        Raises:
            NotFound: An operator has unloaded the model.
            ModelFailed: ONNX Runtime refuses the inputs or fails.
        """
        loaded = self._loaded.get(version)
        if loaded is None or loaded.runner is None:
            raise unloaded(version.model)
        if trace is None:
            return await self._places.run(loaded.runner, inputs)
        with trace.attempt(EMBEDDED):
            return await self._places.run(loaded.runner, inputs)

    def streams(self, version: ModelVersion) -> bool:  # noqa: ARG002 - the same for all
        """Says that no version is decoupled: such a model is refused when it is loaded."""
        return False

    def stream(self, version: ModelVersion, inputs: Tensors, deadline: float | None) -> AsyncGenerator[Response, None]:
        """Never answers: no version is decoupled.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError

    async def operate(self, operation: str, request: bytes) -> bytes:
        """Does what an operator asks.

        Raises:
            GatewayError: It cannot be done.
        """
        return await self._operations[operation](request)

    def describe_nodes(self) -> Sequence[Mapping[str, Any]]:
        """Says that there are none."""
        return ()

    async def close(self) -> None:
        """Ends the threads; batches under way finish."""
        self._places.close()

    async def _load_model(self, request: bytes) -> bytes:
        model = read_load(request)
        versions = self._versions(model)
        if not versions:
            raise no_such_model(model)
        for version in versions:
            try:
                loaded = await asyncio.to_thread(load_version, self._repository, version)
            except CatalogError as error:
                raise load_failed(version, error.message) from error
            if version in self._loaded:  # else the catalog has dropped it meanwhile
                self._loaded[version] = loaded
        return b""

    async def _unload_model(self, request: bytes) -> bytes:
        for version in self._versions(read_unload(request)):
            self._loaded[version] = replace(self._loaded[version], runner=None)
        return b""

    def _versions(self, model: str) -> list[ModelVersion]:
        return sorted((version for version in self._loaded if version.model == model), key=lambda each: each.number)


def load_failed(version: ModelVersion, reason: str) -> InvalidRequest:
    """The error of a version that an operator cannot load, in Triton's words."""
    told = f"load failed for model '{version.model}': version {version.number} is at UNAVAILABLE state: {reason};\n"
    return InvalidRequest(REFUSED, told, model=version.model)
