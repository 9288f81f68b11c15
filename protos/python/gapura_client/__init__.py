"""Client of the Gapura gateway: channels for the generated stubs, and typed errors.

`connect` opens a channel, `gapura_client.aio.connect` one for asyncio. A unary call over either that fails
raises a subclass of `GapuraError`.

Example:
    >>> with gapura_client.connect("127.0.0.1:9003", api_key=key) as channel:
    ...     answer = CreditServiceStub(channel).ScoreCredit(request)
"""

from gapura_client.channel import connect
from gapura_client.endpoint import PlaintextKeyError
from gapura_client.errors import (
    DeadlineExceeded,
    GapuraError,
    Internal,
    InvalidArgument,
    NotFound,
    Overloaded,
    PermissionDenied,
    Unauthenticated,
    Unavailable,
    Unimplemented,
)
from gapura_client.status_details import FieldViolation

__all__ = [
    "DeadlineExceeded",
    "FieldViolation",
    "GapuraError",
    "Internal",
    "InvalidArgument",
    "NotFound",
    "Overloaded",
    "PermissionDenied",
    "PlaintextKeyError",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
    "connect",
]
