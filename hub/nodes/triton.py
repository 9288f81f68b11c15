"""A Triton server in explicit model control mode, by `inference.GRPCInferenceService`.

One load that failed turns ServerReady false for good, so nobody asks for it: models are asked for one by one.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from hub.errors import NodeDownError, NodeRefusedError
from hub.nodes.node import Arrays

_ASK_SECONDS = 3.0
_INFER_SECONDS = 30.0
_LOAD_SECONDS = 60.0
_READY = "READY"
_UNREACHABLE = "StatusCode.UNAVAILABLE"  # which Triton also says of models, of a version that has retired
_EXPIRED = "StatusCode.DEADLINE_EXCEEDED"

_Answer = TypeVar("_Answer")


class TritonNode:
    """One server at one address; the connection is made when it is first needed."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._client = InferenceServerClient(address)

    @property
    def address(self) -> str:
        """Where it listens, `host:port`."""
        return self._address

    def ready(self) -> Mapping[str, frozenset[int]]:
        """Returns the versions that answer, by model."""
        index = self._ask(_ASK_SECONDS, self._client.get_model_repository_index)
        ready: dict[str, frozenset[int]] = {}
        for entry in index.models:
            if entry.state == _READY:
                ready[entry.name] = ready.get(entry.name, frozenset()) | {int(entry.version)}
        return ready

    def load(self, model: str) -> None:
        """Loads what the model's configuration on disk says."""
        self._ask(_LOAD_SECONDS, self._client.load_model, model)

    def unload(self, model: str) -> None:
        """Drops a model; its calls under way finish."""
        self._ask(_LOAD_SECONDS, self._client.unload_model, model)

    def infer(self, model: str, version: int, inputs: Arrays) -> Arrays:
        """Answers rows."""
        tensors = [_tensor(name, array) for name, array in inputs.items()]
        result = self._ask(_INFER_SECONDS, self._client.infer, model, tensors, model_version=str(version))
        return {output.name: result.as_numpy(output.name) for output in result.get_response().outputs}

    def close(self) -> None:
        """Lets go of the connection."""
        self._client.close()

    def _ask(self, seconds: float, method: Callable[..., _Answer], *arguments: Any, **options: Any) -> _Answer:
        try:
            return method(*arguments, client_timeout=seconds, **options)
        except InferenceServerException as error:
            if not self._answers(error.status()):
                raise NodeDownError(f"node {self._address} is down") from error
            expired = f"it took longer than {seconds:.0f} s" if error.status() == _EXPIRED else error.message()
            raise NodeRefusedError(f"node {self._address} says: {' '.join(expired.split())}") from error

    def _answers(self, status: str) -> bool:
        """Whether the server lives, for all that one answer says."""
        if status not in {_UNREACHABLE, _EXPIRED}:
            return True
        try:
            return bool(self._client.is_server_live(client_timeout=_ASK_SECONDS))
        except InferenceServerException:
            return False


def _tensor(name: str, array: Any) -> InferInput:
    tensor = InferInput(name, array.shape, np_to_triton_dtype(array.dtype))
    tensor.set_data_from_numpy(array)
    return tensor
