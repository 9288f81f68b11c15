"""What operators ask of the embedded backend, in Triton's words: loading, unloading, traces that it does not have."""

from collections.abc import Callable, Sequence
from typing import Any

from tritonclient.grpc import service_pb2

from gateway.errors import GatewayError, InvalidRequest, Unimplemented
from gateway.types import ModelVersion

REFUSED, NOT_SERVED = "OPERATION_REFUSED", "FEATURE_NOT_SERVED"
ONE_OF = "parameter_choice"
CONFIG, FILE, DEPENDENTS = "config", "file:", "unload_dependents"

# What Triton says of its traces while they are off.
TRACES_OFF = {
    "trace_file": "",
    "trace_level": "OFF",
    "trace_rate": "1000",
    "trace_count": "-1",
    "log_frequency": "0",
    "trace_mode": "triton",
}


def read_load(request: bytes) -> str:
    """Returns the model that is to be loaded.

    Raises:
        InvalidRequest: The request has a parameter that does not exist, or is of the wrong kind.
        Unimplemented: It names a repository, or brings a configuration or files of its own.
    """
    asked = service_pb2.RepositoryModelLoadRequest.FromString(request)
    check_repository(asked)
    for name, value in asked.parameters.items():
        wanted = "string_param" if name == CONFIG else "bytes_param" if name.startswith(FILE) else None
        if wanted is None:
            raise InvalidRequest(REFUSED, f"unrecognized load parameter '{name}'.", parameter=name)
        if value.WhichOneof(ONE_OF) != wanted:
            told = f"invalid value type for load parameter '{name}', expected {wanted}."
            raise InvalidRequest(REFUSED, told, parameter=name)
    if asked.parameters:
        raise Unimplemented(
            NOT_SERVED,
            "a model is served as it was published, with the configuration and the files of the repository; "
            "leave the load parameters out, or publish another version",
        )
    return str(asked.model_name)


def read_unload(request: bytes) -> str:
    """Returns the model that is to be unloaded.

    Raises:
        InvalidRequest: A parameter is of the wrong kind.
        Unimplemented: The request names a repository.
    """
    asked = service_pb2.RepositoryModelUnloadRequest.FromString(request)
    check_repository(asked)
    if DEPENDENTS in asked.parameters and asked.parameters[DEPENDENTS].WhichOneof(ONE_OF) != "bool_param":
        told = f"invalid value type for '{DEPENDENTS}' parameter, expected bool_param."
        raise InvalidRequest(REFUSED, told, parameter=DEPENDENTS)
    return str(asked.model_name)


async def read_traces(versions: Callable[[str], Sequence[ModelVersion]], request: bytes) -> bytes:
    """Says that traces are off, as Triton does.

    Raises:
        InvalidRequest: The request names a model that is not there.
        Unimplemented: It wants to change something.
    """
    asked = service_pb2.TraceSettingRequest.FromString(request)
    if asked.model_name and not versions(asked.model_name):
        raise InvalidRequest(REFUSED, f"Request for unknown model : {asked.model_name}", model=asked.model_name)
    if asked.settings:
        raise Unimplemented(
            NOT_SERVED, "the embedded backend writes no Triton traces; serve by Triton nodes to have them"
        )
    answer = service_pb2.TraceSettingResponse()
    for name, value in TRACES_OFF.items():
        answer.settings[name].value.append(value)
    return bytes(answer.SerializeToString())


def check_repository(asked: Any) -> None:
    """Checks that a request names no repository: there is one.

    Raises:
        Unimplemented: It does.
    """
    if asked.repository_name:
        raise Unimplemented(NOT_SERVED, "'repository_name' specification is not supported")


def no_such_model(model: str) -> GatewayError:
    """The error of loading a model that is not published."""
    told = f"failed to load '{model}', failed to poll from model repository"
    return GatewayError(REFUSED, told, model=model)


def load_failed(version: ModelVersion, reason: str) -> GatewayError:
    """The error of a version that cannot be loaded."""
    told = f"load failed for model '{version.model}': version {version.number} is at UNAVAILABLE state: {reason};\n"
    return InvalidRequest(REFUSED, told, model=version.model)
