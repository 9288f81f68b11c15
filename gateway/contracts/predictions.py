"""What every answer says of its own making: who answered, and from what features."""

from erpml.types.v1 import prediction_info_pb2

from gateway.contracts.columns import misfit
from gateway.contracts.descriptors import AnnotatedMethod
from gateway.types import Arm

PREDICTION_INFO = prediction_info_pb2.PredictionInfo.DESCRIPTOR.full_name

# What an answer says of stored features; the template says that there were none. Ages are never below 0.
FEATURES_SOURCE = (
    "if asked.status > 1:",
    "    info.feature_status = asked.status",
    "    if asked.oldest_ms:",
    "        age_ms = time_ns() // 1_000_000 - asked.oldest_ms",
    "        if age_ms > 0: info.feature_age_ms = age_ms",
)


def info_field(method: AnnotatedMethod) -> str:
    """Returns the name of the field that says who answered.

    Raises:
        ContractError: There is none.
    """
    for field in method.response.DESCRIPTOR.fields:
        if field.message_type is not None and field.message_type.full_name == PREDICTION_INFO:
            return str(field.name)
    raise misfit(method, f"the response needs a field of type {PREDICTION_INFO}")


def info_template(method: AnnotatedMethod, info: str, arm: Arm) -> bytes:
    """Returns a serialised response that holds all that is the same in every answer of the arm."""
    response = method.response()
    said = getattr(response, info)
    said.model, said.version, said.arm = arm.version.model, arm.version.number, arm.name
    said.feature_status = prediction_info_pb2.FEATURE_STATUS_NOT_USED
    return bytes(response.SerializeToString())
