"""What every answer says of its own making: who answered, and from what features."""

from erpml.types.v1 import prediction_info_pb2

from gateway.contracts.columns import misfit
from gateway.contracts.descriptors import AnnotatedMethod
from gateway.types import Assignment, ModelVersion

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


class Templates(dict[tuple[str, str, Assignment], bytes]):
    """Serialised responses that hold all that is the same in every answer: by arm, experiment and assignment.

    Args:
        method: The method.
        info: Name of the field that says who answered.
        version: Who answers.
    """

    def __init__(self, method: AnnotatedMethod, info: str, version: ModelVersion) -> None:
        super().__init__()
        self._response = method.response
        self._info = info
        self._version = version

    def __missing__(self, key: tuple[str, str, Assignment]) -> bytes:
        """Makes the one of a key that comes for the first time."""
        response = self._response()
        said = getattr(response, self._info)
        said.model, said.version = self._version.model, self._version.number
        said.arm, said.experiment, said.assignment = key
        said.feature_status = prediction_info_pb2.FEATURE_STATUS_NOT_USED
        made = self[key] = bytes(response.SerializeToString())
        return made
