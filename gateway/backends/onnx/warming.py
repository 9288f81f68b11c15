"""Runs a version on made-up inputs when it is loaded, so that the first caller finds it warm and its time known."""

from math import prod

from gateway.backends.onnx.running import Runner
from gateway.errors import ModelFailed
from gateway.tensors import BYTES, ELEMENT_BYTES, element
from gateway.types import Buffer, ModelVersion, Tensors, TensorSpec

RUNS = 4

# A model that takes this long is no candidate for the event loop, and need not be waited for again.
LONG_SECONDS = 0.1


def warm_up(runner: Runner, version: ModelVersion) -> None:
    """Runs one row of zeros several times; the last run counts. A model that fails on it just stays unknown."""
    inputs = zeros(version)
    for _ in range(RUNS):
        runner.times.forget()
        try:
            runner.run(inputs)
        except ModelFailed:
            runner.times.forget()
            return
        if runner.times.expect(inputs) > LONG_SECONDS:
            return


def zeros(version: ModelVersion) -> Tensors:
    """Returns one row of zeros and empty texts; 1 where any size fits."""
    specs = version.signature.inputs
    shapes = tuple(tuple(1 if size == -1 else size for size in spec.dims) for spec in specs)
    return Tensors(1, shapes, tuple(nothing(spec, prod(shape)) for spec, shape in zip(specs, shapes, strict=True)))


def nothing(spec: TensorSpec, count: int) -> Buffer:
    """Returns elements that are 0 or empty."""
    return element(b"") * count if spec.datatype == BYTES else bytes(count * ELEMENT_BYTES[spec.datatype])
