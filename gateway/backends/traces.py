"""`TraceSetting` of the embedded backend, which writes no Triton traces and says so."""

from collections.abc import Callable, Sequence

from tritonclient.grpc import service_pb2

from gateway.backends.operations import NOT_SERVED, REFUSED
from gateway.errors import InvalidRequest, Unimplemented
from gateway.types import ModelVersion

# What Triton says of its traces while they are off.
TRACES_OFF = {
    "trace_file": "",
    "trace_level": "OFF",
    "trace_rate": "1000",
    "trace_count": "-1",
    "log_frequency": "0",
    "trace_mode": "triton",
}


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
