"""Runs batches of one version in the calling thread, and knows how long they take."""

from functools import lru_cache, partial
from time import thread_time
from typing import Any, NamedTuple

import onnxruntime
from numpy.typing import NDArray

from gateway.backends.onnx.codec import decode, encode
from gateway.backends.onnx.timing import RunTimes
from gateway.errors import ModelFailed
from gateway.tensors import fits, wanted
from gateway.types import Buffer, ModelVersion, Tensors, TensorSpec, Terms

# Sets of outputs that are worked out once.
KNOWN_SETS = 64


class Asked(NamedTuple):
    """The outputs that a batch is to have. ONNX Runtime computes the others all the same, but nobody packs them.

    Attributes:
        specs: The outputs.
        names: Theirs, as a session takes them.
        terms: Of the answer.
    """

    specs: tuple[TensorSpec, ...]
    names: list[str]
    terms: Terms


class Runner:
    """Runs batches of one version in the calling thread.

    Args:
        session: An `onnxruntime.InferenceSession`.
        version: The version.

    Attributes:
        times: What batches took of the processor. What they waited for is not the model's: a core, or the GIL.
    """

    def __init__(self, session: Any, version: ModelVersion) -> None:
        self.times = RunTimes()
        self._session = session
        self._options = run_options()
        self._version = version
        self._batch_dims = int(version.max_batch_size > 0)
        self._asked = lru_cache(KNOWN_SETS)(partial(ask, version))  # a method would hold the session for longer

    def run(self, inputs: Tensors) -> Tensors:
        """Runs one batch.

        Raises:
            ModelFailed: ONNX Runtime refuses the inputs or fails.
        """
        started = thread_time()
        try:
            return self._compute(inputs)
        finally:
            self.times.record(inputs, thread_time() - started)

    def _compute(self, inputs: Tensors) -> Tensors:
        leading = (inputs.rows,) * self._batch_dims
        specs = self._version.signature.inputs
        feeds = {
            spec.name: decode(data, spec.datatype, leading + shape)
            for spec, shape, data in zip(specs, inputs.shapes, inputs.data, strict=True)
        }
        asked = self._asked(inputs.terms.outputs)
        try:
            outputs = self._session.run(asked.names, feeds, self._options)
        except Exception as error:
            raise ModelFailed(self._version.model, self._version.number, f"failed: {error}") from error
        return self._pack(outputs, asked, leading)

    def _pack(self, outputs: list[NDArray[Any]], asked: Asked, leading: tuple[int, ...]) -> Tensors:
        """Packs what a session returned.

        Raises:
            ModelFailed: An output has another shape than the signature says.
        """
        shapes: list[tuple[int, ...]] = []
        data: list[Buffer] = []
        for output, spec in zip(outputs, asked.specs, strict=True):
            shape = output.shape[self._batch_dims :]
            if output.shape != leading + shape or not (shape == spec.dims or fits(shape, spec.dims)):
                wanted_dims = f"{leading[0] if leading else 1} rows of {list(spec.dims)}"
                problem = f"answered '{spec.name}' of shape {list(output.shape)} for {wanted_dims}"
                raise ModelFailed(self._version.model, self._version.number, problem)
            shapes.append(shape)
            data.append(encode(output, spec.datatype))
        return Tensors(leading[0] if leading else 1, tuple(shapes), tuple(data), asked.terms)


def run_options() -> Any:
    """Options of every run: a failure is raised, not written too. Without options a run takes 0.8 µs more."""
    options = onnxruntime.RunOptions()
    options.log_severity_level = 4
    return options


def ask(version: ModelVersion, outputs: tuple[int, ...]) -> Asked:
    """Works out what a batch is to have whose terms name these outputs."""
    terms = Terms(outputs)
    specs = wanted(version, terms)
    return Asked(specs, [spec.name for spec in specs], terms)
