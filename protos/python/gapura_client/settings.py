"""What a channel adds to its calls, and the gRPC channel arguments that it is opened with."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gapura_client.endpoint import is_local

API_KEY_HEADER = "x-api-key"
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
# A connection is pinged while a call waits on it, to find out that it is dead; servers close one that is pinged often.
KEEPALIVE_TIME_MS = 60_000
KEEPALIVE_TIMEOUT_MS = 10_000

# Scoring changes nothing, so that a call may be sent again. Throttling stops retries while most calls fail.
SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.05s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
    "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1},
}


@dataclass(frozen=True, slots=True)
class CallDefaults:
    """What a call gets unless its caller says otherwise.

    Attributes:
        timeout_seconds: Deadline of a call, counted from its start.
        headers: Metadata added to each call.
    """

    timeout_seconds: float
    headers: tuple[tuple[str, str], ...]

    def timeout(self, given: float | None) -> float:
        """Returns the deadline in seconds: the caller's own, or the default."""
        return self.timeout_seconds if given is None else given

    def metadata(self, given: Iterable[tuple[str, str | bytes]] | None) -> tuple[tuple[str, str | bytes], ...]:
        """Returns the caller's metadata and the headers that it does not hold already."""
        own = tuple(given or ())
        names = {key for key, _ in own}
        return own + tuple(header for header in self.headers if header[0] not in names)


def call_defaults(api_key: str | None, timeout_seconds: float) -> CallDefaults:
    """Checks the values and returns what calls get by default.

    Raises:
        ValueError: The key cannot be a header, or the time is not finite and positive. The key is not repeated.
    """
    if not (math.isfinite(timeout_seconds) and timeout_seconds > 0):
        raise ValueError(f"timeout_seconds is {timeout_seconds}: pass a finite number of seconds above 0")
    if api_key is None:
        return CallDefaults(timeout_seconds, ())
    if not api_key or not api_key.isascii() or not api_key.isprintable() or api_key.strip() != api_key:
        raise ValueError("api_key must be printable ASCII without blanks around it: strip the line end of a file")
    return CallDefaults(timeout_seconds, ((API_KEY_HEADER, api_key),))


def channel_options(target: str, own: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Returns the channel arguments: ours, replaced by the caller's own where both name one."""
    arguments: dict[str, Any] = {
        "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
        "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
        "grpc.keepalive_time_ms": KEEPALIVE_TIME_MS,
        "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
        "grpc.service_config": json.dumps(SERVICE_CONFIG),
    }
    if is_local(target):
        arguments["grpc.enable_http_proxy"] = 0  # a proxy is another machine
    return list((arguments | dict(own)).items())
