"""One call as it came in: what every stage of the request path is given."""

from typing import NamedTuple

from gateway.traces import UNTRACED, CallTrace
from gateway.types import Priority


class Call(NamedTuple):
    """One call as it came in.

    Attributes:
        message: Serialised request.
        api_key: Key of the caller, if it sent one.
        deadline: When the caller stops waiting, in seconds of the event loop's clock.
        ends_on_failure: Whether a model's failure is to end the caller's stream.
        priority: Class that the caller asks for; None for that of its tenant, which is the best that it can get.
        certificate: What is said of the caller's certificate: true only if a trusted edge has written it.
        authorization: The caller's `authorization`, such as `Bearer ` and a token, if it sent one.
        path: `/package.Service/Method`.
        rest: Whether it came over REST.
        trace: Where its way is noted.
        unit: Whom it concerns, for experiments, where its contract does not say.
        pin: Version or arm that it asks for, where its request does not say.
    """

    message: bytes
    api_key: str | None
    deadline: float | None
    ends_on_failure: bool = False
    priority: Priority | None = None
    certificate: str | None = None
    authorization: str | None = None
    path: str = ""
    rest: bool = False
    trace: CallTrace = UNTRACED
    unit: str | None = None
    pin: str | None = None
