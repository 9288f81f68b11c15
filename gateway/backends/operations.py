"""What operators ask of either backend: reads the requests to load and unload, and refuses in Triton's words."""

from typing import Any

from tritonclient.grpc import service_pb2

from gateway.errors import GatewayError, InvalidRequest, NotFound, Unimplemented

REFUSED, NOT_SERVED = "OPERATION_REFUSED", "FEATURE_NOT_SERVED"
ONE_OF = "parameter_choice"
CONFIG, FILE, DEPENDENTS = "config", "file:", "unload_dependents"


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


def unloaded(model: str) -> NotFound:
    """The error of a call to a model that an operator has unloaded."""
    return NotFound("MODEL_UNKNOWN", f"Request for unknown model: '{model}' has no available versions", model=model)
