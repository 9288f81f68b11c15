"""Client of the Gapura gateway: channels for the generated stubs, typed errors, and the teams' shared library.

`connect` opens a channel, `gapura_client.aio.connect` one for asyncio. A unary call over either that fails
raises a subclass of `GapuraError`. `MLHubClient` asks models and reads features without stubs.

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
from gapura_client.hub_client import (
    FeatureRow,
    InvalidFeatures,
    InvalidRecord,
    MLHubClient,
    NoSuchAnswer,
    SpoolError,
)
from gapura_client.status_details import FieldViolation

__all__ = [
    "DeadlineExceeded",
    "FeatureRow",
    "FieldViolation",
    "GapuraError",
    "Internal",
    "InvalidArgument",
    "InvalidFeatures",
    "InvalidRecord",
    "MLHubClient",
    "NoSuchAnswer",
    "NotFound",
    "Overloaded",
    "PermissionDenied",
    "PlaintextKeyError",
    "SpoolError",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
    "connect",
]
