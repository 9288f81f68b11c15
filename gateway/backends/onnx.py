"""The embedded backend: ONNX Runtime in this process, over a repository in Triton's layout."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from gateway.backends.log_settings import set_logs
from gateway.backends.operations import REFUSED, no_such_model, read_load, read_unload, unloaded
from gateway.backends.repository import model_file, read_config
from gateway.backends.traces import read_traces
from gateway.errors import CatalogError, InvalidRequest, ModelFailed
from gateway.tensors import BYTES, NUMPY_TYPES, element, elements, fits, leading
from gateway.types import Buffer, ModelVersion, Tensors


@dataclass(frozen=True, slots=True)
class Loaded:
    """A version in memory.

    Attributes:
        session: Runs it; None while an operator has unloaded the model.
        config: Serialised `inference.ModelConfig`.
    """

    session: Any
    config: bytes


class OnnxBackend:
    """Runs models of a repository in a small pool of threads.

    A version that an operator has unloaded stays so, whatever the catalog does, until an operator loads its model; a
    new version of that model is loaded as any other.

    Args:
        repository: Folder in Triton's layout.
        threads: Batches that run at the same time.
    """

    def __init__(self, repository: Path, threads: int) -> None:
        self._repository = repository
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="onnx")
        self._loaded: dict[ModelVersion, Loaded] = {}
        self._operations: Mapping[str, Callable[[bytes], Awaitable[bytes]]] = {
            "RepositoryModelLoad": self._load_model,
            "RepositoryModelUnload": self._unload_model,
            "LogSettings": set_logs,
            "TraceSetting": partial(read_traces, self._versions),
        }

    async def load(self, version: ModelVersion) -> None:
        """Reads the version from the repository.

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
        return loaded is not None and loaded.session is not None

    async def infer(self, version: ModelVersion, inputs: Tensors, deadline: float | None) -> Tensors:  # noqa: ARG002 - a running session cannot be stopped
        """Runs one batch.

        Raises:
            NotFound: An operator has unloaded the model.
            ModelFailed: ONNX Runtime refuses the inputs or fails.
        """
        loaded = self._loaded.get(version)
        if loaded is None or loaded.session is None:
            raise unloaded(version.model)
        return await asyncio.get_running_loop().run_in_executor(self._pool, run, loaded.session, version, inputs)

    async def operate(self, operation: str, request: bytes) -> bytes:
        """Does what an operator asks.

        Raises:
            GatewayError: It cannot be done.
        """
        return await self._operations[operation](request)

    async def close(self) -> None:
        """Ends the threads; batches under way finish."""
        self._pool.shutdown(wait=False)

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
            self._loaded[version] = replace(self._loaded[version], session=None)
        return b""

    def _versions(self, model: str) -> list[ModelVersion]:
        return sorted((version for version in self._loaded if version.model == model), key=lambda each: each.number)


def load_version(repository: Path, version: ModelVersion) -> Loaded:
    """Loads a version whose file has the digest that the catalog names.

    Raises:
        CatalogError: The file is missing, differs, or is not a model that ONNX Runtime can run.
    """
    path = model_file(repository, version)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CatalogError(f"cannot read {path}: {error.strerror}; publish the model again") from error
    if hashlib.sha256(content).hexdigest() != version.sha256:
        raise CatalogError(f"{path} is not the file that was published; publish the model again")
    try:
        session = onnxruntime.InferenceSession(content, session_options(), providers=["CPUExecutionProvider"])
    except Exception as error:
        raise CatalogError(f"ONNX Runtime cannot load {path}: {error}") from error
    return Loaded(session, read_config(repository, version))


@cache
def session_options() -> Any:
    """Options measured for small models: one thread per batch, and none that spins while it waits."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return options


def load_failed(version: ModelVersion, reason: str) -> InvalidRequest:
    """The error of a version that an operator cannot load, in Triton's words."""
    told = f"load failed for model '{version.model}': version {version.number} is at UNAVAILABLE state: {reason};\n"
    return InvalidRequest(REFUSED, told, model=version.model)


def run(session: Any, version: ModelVersion, inputs: Tensors) -> Tensors:
    """Runs one batch in the calling thread.

    Raises:
        ModelFailed: ONNX Runtime refuses the inputs or fails.
    """
    specs = version.signature
    batch_dims = leading(version, inputs.rows)
    feeds = {
        spec.name: decode(data, spec.datatype, batch_dims + shape)
        for spec, shape, data in zip(specs.inputs, inputs.shapes, inputs.data, strict=True)
    }
    try:
        outputs = session.run([spec.name for spec in specs.outputs], feeds)
    except Exception as error:
        raise ModelFailed(version.model, version.number, f"failed: {error}") from error
    return encode_all(version, outputs, len(batch_dims), inputs.rows)


def encode_all(version: ModelVersion, outputs: list[NDArray[Any]], batch_dims: int, rows: int) -> Tensors:
    """Packs what a session returned.

    Raises:
        ModelFailed: An output has another shape than the signature says.
    """
    specs = version.signature.outputs
    for output, spec in zip(outputs, specs, strict=True):
        if output.shape[:batch_dims] != (rows,) * batch_dims or not fits(output.shape[batch_dims:], spec.dims):
            problem = f"answered '{spec.name}' of shape {list(output.shape)} for {rows} rows of {list(spec.dims)}"
            raise ModelFailed(version.model, version.number, problem)
    return Tensors(
        rows=rows,
        shapes=tuple(output.shape[batch_dims:] for output in outputs),
        data=tuple(encode(output, spec.datatype) for output, spec in zip(outputs, specs, strict=True)),
    )


def decode(data: Buffer, datatype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Reads a tensor without copying its numbers."""
    if datatype == BYTES:
        texts = [part.decode("utf-8", "replace") for part in elements(data, prod(shape))]
        return np.array(texts, dtype=object).reshape(shape)
    return np.frombuffer(data, NUMPY_TYPES[datatype]).reshape(shape)


def encode(tensor: NDArray[Any], datatype: str) -> Buffer:
    """Packs a tensor row-major; numbers are not copied where they lie so already."""
    if datatype == BYTES:
        return b"".join(element(str(text).encode()) for text in tensor.ravel())
    packed = np.ascontiguousarray(tensor.astype(NUMPY_TYPES[datatype], copy=False))
    return packed.reshape(-1).view(np.uint8).data if packed.nbytes else b""
