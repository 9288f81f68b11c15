"""Stands in for Triton's native ONNX Runtime backend: serves every model whose config says `backend: "onnxruntime"`.

Triton's python backend runs this file, in a process of its own for each instance of a model version. Where the native
backend is installed, the same repository is served without it.
"""

import json
from collections.abc import Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

_Tensors = dict[str, NDArray[Any]]

DEFAULT_FILE = "model.onnx"
PROVIDERS = {"CPU": "CPUExecutionProvider", "GPU": "CUDAExecutionProvider"}
# Triton's name of a datatype -> ONNX Runtime's.
GRAPH_TYPES = {
    "TYPE_BOOL": "tensor(bool)",
    "TYPE_INT8": "tensor(int8)",
    "TYPE_INT16": "tensor(int16)",
    "TYPE_INT32": "tensor(int32)",
    "TYPE_INT64": "tensor(int64)",
    "TYPE_UINT8": "tensor(uint8)",
    "TYPE_UINT16": "tensor(uint16)",
    "TYPE_UINT32": "tensor(uint32)",
    "TYPE_UINT64": "tensor(uint64)",
    "TYPE_FP16": "tensor(float16)",
    "TYPE_FP32": "tensor(float)",
    "TYPE_FP64": "tensor(double)",
    "TYPE_STRING": "tensor(string)",
}


class TritonPythonModel:
    """One instance of a model version, called from one thread."""

    def initialize(self, args: dict[str, str]) -> None:
        """Loads the graph and holds it against the config.

        Raises:
            TritonModelException: The graph cannot be loaded, or is not what the config says.
        """
        config = json.loads(args["model_config"])
        self._title = f"model '{args['model_name']}' version {args['model_version']}"
        self._batch_dims = 1 if config["max_batch_size"] else 0
        self._outputs = {output["name"]: dims_of(output) for output in config["output"]}
        file = Path(args["model_repository"], args["model_version"], config["default_model_filename"] or DEFAULT_FILE)
        try:
            self._session = open_session(file, config.get("parameters", {}), args["model_instance_kind"])
            check_graph(self._session, config, self._batch_dims)
        except ValueError as error:
            raise pb_utils.TritonModelException(f"{self._title} cannot be served: {error}") from error

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answers requests; those of one shape run together."""
        if len(requests) == 1:
            return [self._respond(requests[0], self._run_alone(feeds_of(requests[0])))]
        calls = [feeds_of(request) for request in requests]
        answers: dict[int, _Tensors | str] = {}
        for places in self._mergeable(calls):
            answers.update(zip(places, self._run([calls[place] for place in places]), strict=True))
        return [self._respond(request, answers[place]) for place, request in enumerate(requests)]

    def _mergeable(self, calls: Sequence[_Tensors]) -> list[list[int]]:
        """Groups the places of calls whose rows have the same inputs and shapes."""
        if not self._batch_dims:
            return [[place] for place in range(len(calls))]
        groups: dict[Any, list[int]] = {}
        for place, feeds in enumerate(calls):
            kind = tuple((name, tensor.shape[1:]) for name, tensor in feeds.items())
            groups.setdefault(kind, []).append(place)
        return list(groups.values())

    def _run(self, calls: Sequence[_Tensors]) -> list[_Tensors | str]:
        """Answers each call with its outputs or why it has none; one that fails spoils no other's."""
        if len(calls) > 1:
            try:
                return [*self._run_merged(calls)]
            except Exception:  # noqa: BLE001, S110 - whichever call it was is told so below
                pass
        return [self._run_alone(feeds) for feeds in calls]

    def _run_merged(self, calls: Sequence[_Tensors]) -> list[_Tensors]:
        merged = {name: np.concatenate([feeds[name] for feeds in calls]) for name in calls[0]}
        outputs = self._infer(merged)
        bounds = accumulate((rows_of(feeds) for feeds in calls), initial=0)
        parts = [slice(*bound) for bound in pairwise(bounds)]
        return [{name: tensor[part] for name, tensor in outputs.items()} for part in parts]

    def _run_alone(self, feeds: _Tensors) -> _Tensors | str:
        try:
            return self._infer(feeds)
        except WrongAnswer as error:
            return f"{self._title} {error}"
        except Exception as error:  # noqa: BLE001 - ONNX Runtime's errors share no class
            return f"{self._title} failed: {error}"

    def _infer(self, feeds: _Tensors) -> _Tensors:
        """Runs the graph once.

        Raises:
            WrongAnswer: An output has another shape than the config says.
        """
        outputs: _Tensors = dict(zip(self._outputs, self._session.run([*self._outputs], feeds), strict=True))
        rows = rows_of(feeds) if self._batch_dims else 1
        for name, dims in self._outputs.items():
            shape = outputs[name].shape
            if shape[: self._batch_dims] != (rows,) * self._batch_dims or not fits(shape[self._batch_dims :], dims):
                raise WrongAnswer(f"answered '{name}' of shape {list(shape)} for {rows} rows of {list(dims)}")
        return outputs

    def _respond(self, request: Any, answer: _Tensors | str) -> Any:
        if isinstance(answer, str):
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(answer))
        wanted = request.requested_output_names()  # in no order
        return pb_utils.InferenceResponse([pb_utils.Tensor(name, answer[name]) for name in answer if name in wanted])


class WrongAnswer(Exception):
    """A graph answered something else than its config says."""


def open_session(file: Path, parameters: dict[str, dict[str, str]], kind: str) -> onnxruntime.InferenceSession:
    """Loads a graph; the thread counts are parameters of the native backend, here one by default.

    Raises:
        ValueError: ONNX Runtime cannot run it here.
    """
    provider = PROVIDERS[kind]
    if provider not in onnxruntime.get_available_providers():
        raise ValueError(f"KIND_{kind} needs {provider}, which this node lacks: set KIND_CPU in its instance_group")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(parameters.get("intra_op_thread_count", {}).get("string_value", "1"))
    options.inter_op_num_threads = int(parameters.get("inter_op_thread_count", {}).get("string_value", "1"))
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(file, options, providers=[provider])
    except Exception as error:  # ONNX Runtime's errors share no class
        raise ValueError(f"ONNX Runtime cannot load {file.name}: {error}") from error


def check_graph(session: onnxruntime.InferenceSession, config: dict[str, Any], batch_dims: int) -> None:
    """Holds a graph against its config.

    Raises:
        ValueError: They differ.
    """
    inputs = {node.name: node for node in session.get_inputs()}
    outputs = {node.name: node for node in session.get_outputs()}
    for what, tensors, nodes in (("input", config["input"], inputs), ("output", config["output"], outputs)):
        for tensor in tensors:
            name = tensor["name"]
            if name not in nodes:
                raise ValueError(f"the graph has no {what} '{name}', only {sorted(nodes)}")
            check_tensor(f"{what} '{name}'", tensor, nodes[name], batch_dims)
    missing = inputs.keys() - {tensor["name"] for tensor in config["input"]}
    if missing:
        raise ValueError(f"the graph needs the inputs {sorted(missing)}, which config.pbtxt does not name")


def check_tensor(title: str, tensor: dict[str, Any], node: Any, batch_dims: int) -> None:
    """Holds an input or output of a graph against the config.

    Raises:
        ValueError: They differ.
    """
    if GRAPH_TYPES.get(tensor["data_type"]) != node.type:
        raise ValueError(f"{title} is {node.type} in the graph, but {tensor['data_type']} in config.pbtxt")
    dims = (-1,) * batch_dims + dims_of(tensor)
    shape = tuple(dim if isinstance(dim, int) else -1 for dim in node.shape)
    if shape and not fits(dims, shape):  # a graph may leave a shape unsaid
        told = "with rows first " if batch_dims else ""
        raise ValueError(f"{title} is {list(shape)} in the graph, but {told}{list(dims)} in config.pbtxt")


def dims_of(tensor: dict[str, Any]) -> tuple[int, ...]:
    """Returns the shape of an input or output in the graph, without its rows; -1 is any."""
    return tuple(int(dim) for dim in (tensor["reshape"]["shape"] if "reshape" in tensor else tensor["dims"]))


def fits(shape: tuple[int, ...], dims: tuple[int, ...]) -> bool:
    """Says whether a shape is what the dims allow; -1 among them is any."""
    return len(shape) == len(dims) and all(dim in (-1, size) for size, dim in zip(shape, dims, strict=True))


def feeds_of(request: Any) -> _Tensors:
    """Reads the inputs of a request; strings become text, as ONNX Runtime wants them."""
    feeds: _Tensors = {}
    for tensor in request.inputs():
        numbers = tensor.as_numpy()
        feeds[tensor.name()] = as_text(numbers) if numbers.dtype.hasobject else numbers
    return feeds


def as_text(tensor: NDArray[Any]) -> NDArray[Any]:
    """Decodes bytes; what is not UTF-8 becomes replacement characters."""
    texts = [element.decode("utf-8", "replace") for element in tensor.ravel()]
    return np.array(texts, dtype=np.object_).reshape(tensor.shape)


def rows_of(feeds: _Tensors) -> int:
    """Counts the rows of a call to a model that has a batch dimension."""
    return len(next(iter(feeds.values())))
