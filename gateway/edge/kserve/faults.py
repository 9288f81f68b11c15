"""Tells what keeps a KServe v2 request from its model, in Triton's own words and in its order of checks.

Where several inputs are at fault, Triton tells of one that its hash table yields first: mostly the one given last.
"""

from collections.abc import Iterator
from typing import Any, NoReturn

from gateway.backends.operations import NOT_SERVED, ONE_OF
from gateway.edge.kserve.classes import CLASSIFIED
from gateway.edge.kserve.contents import FIELDS, MOST_ELEMENTS, misfit
from gateway.edge.kserve.frames import Asked
from gateway.edge.kserve.outputs import BYTE_SIZE, CLASSIFICATION, OFFSET, REGION
from gateway.edge.kserve.tensor_faults import CUT_TEXT, shape_fault, size_fault
from gateway.errors import GatewayError, InvalidRequest, Unimplemented
from gateway.tensors import BYTES, ELEMENT_BYTES
from gateway.types import ModelVersion, TensorSpec

KNOWN_TYPES = {BYTES, "BF16", *ELEMENT_BYTES}


def explain(asked: Asked, version: ModelVersion) -> NoReturn:
    """Refuses a request that does not fit its model.

    Raises:
        Unimplemented: It wants shared memory.
        InvalidRequest: Otherwise.
    """
    request = asked.message
    for faults in (
        repeated_inputs(request),
        data_faults(asked, version),
        output_faults(request, version),
        count_faults(request, version),
        batch_faults(request, version),
        tensor_faults(asked, version),
    ):
        for told, tensor in faults:
            raise refusal(version, told, tensor)
    raise refusal(version, f"{told_of(request)}the request does not fit model '{version.model}'", "")


def refusal(version: ModelVersion, told: str, tensor: str) -> GatewayError:
    """Makes the error of a fault."""
    return InvalidRequest("INVALID_TENSOR", told, model=version.model, tensor=tensor)


def told_of(request: Any) -> str:
    """Names the request as Triton does before a message."""
    return f"[request id: {request.id or '<id_unknown>'}] "


Faults = Iterator[tuple[str, str]]


def repeated_inputs(request: Any) -> Faults:
    """Yields inputs that are given twice."""
    seen = set()
    for tensor in request.inputs:
        if tensor.name in seen:
            yield f"{told_of(request)}input '{tensor.name}' already exists in request", tensor.name
        seen.add(tensor.name)


def data_faults(asked: Asked, version: ModelVersion) -> Faults:
    """Yields inputs without data, and with data of two kinds or of the wrong field."""
    for position, tensor in enumerate(asked.message.inputs):
        name, of = tensor.name, f"'{tensor.name}' for model '{version.model}'"
        yield from shared_memory_faults(tensor)
        if tensor.HasField("contents"):
            if asked.raw:
                yield f"contents field must not be specified when using raw_input_contents for {of}", name
            told = misfit(tensor.contents, shown(tensor.datatype))
            if told:
                yield f"unexpected explicit tensor data for input tensor {of}{told}", name
            if max(len(getattr(tensor.contents, field)) for field in FIELDS) > MOST_ELEMENTS:
                told = f"{of} has more than {MOST_ELEMENTS} elements of typed contents: send raw_input_contents"
                yield f"{told_of(asked.message)}input {told}", name
        elif position >= len(asked.raw):
            yield f"unable to find data for input tensor {of} in request.", name


def shared_memory_faults(tensor: Any) -> Faults:
    """Yields what is wrong with a tensor's shared memory.

    Raises:
        Unimplemented: Nothing is, but it is not served.
    """
    given = tensor.parameters
    if REGION in given:
        if given[REGION].WhichOneof(ONE_OF) != "string_param":
            told = f"invalid value type for '{REGION}' parameter for tensor '{tensor.name}', expected string_param."
            yield told, tensor.name
        raise no_shared_memory()
    for parameter in (OFFSET, BYTE_SIZE):
        if parameter in given:
            told = f"'{parameter}' can not be specified without '{REGION}' parameter for tensor '{tensor.name}'"
            yield told, tensor.name


def no_shared_memory() -> GatewayError:
    """The error of whatever wants shared memory."""
    return Unimplemented(
        NOT_SERVED,
        "shared memory is not served: the gateway and the nodes run on other machines than their callers; "
        "send tensors in the message",
    )


def output_faults(request: Any, version: ModelVersion) -> Faults:
    """Yields outputs that ask for what there is not, then those that do not exist."""
    for output in request.outputs:
        yield from shared_memory_faults(output)
        if CLASSIFICATION in output.parameters:
            parameter = output.parameters[CLASSIFICATION]
            if parameter.WhichOneof(ONE_OF) != "int64_param":
                yield f"invalid value type for '{CLASSIFICATION}' parameter, expected int64_param", output.name
            elif parameter.int64_param <= 0:
                yield f"invalid value for '{CLASSIFICATION}' parameter, expected >= 0", output.name
    known = {spec.name for spec in version.signature.outputs}
    for name in sorted({output.name for output in request.outputs} - known):
        yield f"unexpected inference output '{name}' for model '{version.model}'", name


def count_faults(request: Any, version: ModelVersion) -> Faults:
    """Yields that there are too few or too many inputs."""
    wanted, given = [spec.name for spec in version.signature.inputs], [tensor.name for tensor in request.inputs]
    if len(given) != len(wanted):
        missing = [name for name in wanted if name not in given]
        lacking = listed(missing) if missing else "]"
        told = (
            f"expected {len(wanted)} inputs but got {len(given)} inputs for model '{version.model}'. Got input(s) "
            f"{listed(given[::-1])}, but missing required input(s) {lacking}. Please provide all required input(s)."
        )
        yield told_of(request) + told, ""


def batch_faults(request: Any, version: ModelVersion) -> Faults:
    """Yields inputs that disagree on the number of rows, or hold too many."""
    if not version.max_batch_size:
        return
    rows = 0
    for tensor in reversed(request.inputs):
        of = f"{told_of(request)}input '{tensor.name}'"
        if not any(tensor.name == spec.name for spec in version.signature.inputs):
            yield unknown_input(tensor.name, version), tensor.name
        if not tensor.shape:
            yield f"{of} has no shape but model requires batch dimension for '{version.model}'", tensor.name
        rows = rows or tensor.shape[0]
        if tensor.shape[0] != rows:
            yield f"{of} batch size does not match other inputs for '{version.model}'", tensor.name
    if rows > version.max_batch_size:
        limit = f"inference request batch-size must be <= {version.max_batch_size} for '{version.model}'"
        raise InvalidRequest(
            "BATCH_TOO_LARGE", told_of(request) + limit, model=version.model, limit=str(version.max_batch_size)
        )


def tensor_faults(asked: Asked, version: ModelVersion) -> Faults:
    """Yields inputs of another datatype, shape or size."""
    request, specs = asked.message, {spec.name: spec for spec in version.signature.inputs}
    for tensor in reversed(request.inputs):
        spec = specs.get(tensor.name)
        if spec is None:
            yield unknown_input(tensor.name, version), tensor.name
            return
        if tensor.datatype != spec.datatype:
            types = f"data-type is '{shown(tensor.datatype)}', but model '{version.model}' expects '{spec.datatype}'"
            yield f"{told_of(request)}inference input '{spec.name}' {types}", spec.name
        told = shape_fault(tensor, spec, version) or size_fault(asked, tensor, spec, version)
        if told:
            yield told if told.startswith(CUT_TEXT) else told_of(request) + told, spec.name


def unknown_input(name: str, version: ModelVersion) -> str:
    """Says that a model has no such input."""
    return f"unexpected inference input '{name}' for model '{version.model}'"


def class_fault(spec: TensorSpec) -> str | None:
    """Says that an output has no classes."""
    if spec.datatype in CLASSIFIED:
        return None
    return f"class result not available for output due to unsupported type '{spec.datatype}'"


def shown(datatype: str) -> str:
    """Returns a datatype as Triton shows it."""
    return datatype if datatype in KNOWN_TYPES else "<invalid>"


def listed(names: list[str]) -> str:
    """Writes names as Triton does."""
    return "[" + ",".join(f"'{name}'" for name in names) + "]"
