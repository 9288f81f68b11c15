"""Makes a typed call over REST."""

import http.client
import json
from typing import Any

from google.api import annotations_pb2
from google.protobuf import json_format
from google.protobuf.message import Message

SECONDS = 30


def as_json(message: Message) -> dict[str, Any]:
    """Returns a message as REST has it, without what differs from call to call."""
    told: dict[str, Any] = json_format.MessageToDict(
        message, always_print_fields_with_no_presence=True, preserving_proto_field_name=True
    )
    return without_identity(told)


def without_identity(answer: dict[str, Any]) -> dict[str, Any]:
    """Returns an answer without the id of its prediction and the age of its features."""
    return {**answer, "prediction": {**answer["prediction"], "prediction_id": "", "feature_age_ms": ""}}


class Rest:
    """One connection to the edge.

    Args:
        target: `host:port`.
        key: Key of the tenant.
        method: Descriptor of the method, whose path is called.
    """

    def __init__(self, target: str, key: str, method: Any) -> None:
        self._connection = http.client.HTTPConnection(target, timeout=SECONDS)
        self._headers = {"x-api-key": key, "content-type": "application/json"}
        self._path = method.GetOptions().Extensions[annotations_pb2.http].post

    def call(self, request: Message) -> dict[str, Any]:
        """Returns the answer to a request.

        Raises:
            AssertionError: The status is not 200.
        """
        self._connection.request("POST", self._path, json_format.MessageToJson(request), self._headers)
        answer = self._connection.getresponse()
        content = answer.read()
        assert answer.status == http.client.OK, f"{self._path} answers {answer.status}: {content.decode()[:300]}"
        return without_identity(json.loads(content))
