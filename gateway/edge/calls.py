"""What the listeners share: reading a call, finding its endpoint, telling its fault, awaiting the end of all calls."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from secrets import token_hex
from typing import Any, NamedTuple, TypeVar
from urllib.parse import unquote

import structlog

from gateway.calls import Call
from gateway.edge.endpoints import Table
from gateway.edge.status import WireStatus, wire_status
from gateway.errors import DeadlineExceeded, GatewayError, InvalidRequest, Overloaded, Unimplemented
from gateway.interfaces import Endpoint, StreamEndpoint
from gateway.traces import CallTrace, hex64, hex128, identify
from gateway.types import PRIORITIES, Priority

API_KEY, PRIORITY, CERTIFICATE = "x-api-key", "x-priority", "x-forwarded-client-cert"
AUTHORIZATION = "authorization"

# Envoy's transcoder says here what a REST call was; a caller that says it itself has fewer rights for that.
ORIGINAL_PATH = "x-envoy-original-path"
PARENT, STATE = "traceparent", "tracestate"

# Whom a call concerns, percent-encoded where it is not plain ASCII; and the version or arm that it asks for.
UNIT, PIN = "x-gapura-unit", "x-gapura-pin"
OTHERS = frozenset({PRIORITY, CERTIFICATE, AUTHORIZATION, ORIGINAL_PATH, PARENT, STATE, UNIT, PIN})
FAILURE_ENDS = "triton_grpc_error"
MOST_IN_FLIGHT = 16_384
RETRY_AFTER_MS = 200
QUIET_SECONDS, LOOK_SECONDS = 0.25, 0.02

log = structlog.get_logger(__name__)

Kind = TypeVar("Kind", Endpoint, StreamEndpoint)


@dataclass(slots=True)
class Traffic:
    """Calls under way, and when the last one came, in seconds of the event loop's clock.

    Attributes:
        most: Calls that may be under way at once.
        active: Calls that are.
        last: When the last one came.
    """

    most: int = MOST_IN_FLIGHT
    active: int = 0
    last: float = 0

    def enter(self) -> None:
        """Counts a call that begins.

        Raises:
            Overloaded: Too many are under way.
        """
        if self.active >= self.most:
            raise self.overload()
        self.active += 1
        self.last = asyncio.get_running_loop().time()

    def leave(self) -> None:
        """Counts a call that has ended."""
        self.active -= 1

    def overload(self) -> Overloaded:
        """The error of a call that is one too many."""
        return Overloaded(
            "GATEWAY_BUSY",
            f"{self.most} calls are under way already; try again in a moment",
            retry_after_ms=RETRY_AFTER_MS,
        )

    async def settle(self, end: float) -> None:
        """Waits until no call is under way and none has come for a moment; `end` is the latest time, in seconds.

        Callers that do not follow health checks keep sending calls until they are refused.
        """
        clock = asyncio.get_running_loop().time
        while clock() < end and (self.active or self.last >= clock() - QUIET_SECONDS):
            await asyncio.sleep(LOOK_SECONDS)

    async def finish(self, end: float) -> None:
        """Waits until no call is under way; `end` is the latest time, in seconds of the event loop's clock."""
        clock = asyncio.get_running_loop().time
        while self.active and clock() < end:
            await asyncio.sleep(LOOK_SECONDS)


class Sender(NamedTuple):
    """What the metadata of a call say of its caller.

    Attributes:
        api_key: Its key, if it sent one.
        priority: Name of the class that it asks for, if it asks.
        certificate: What is said of its certificate, by the edge or by itself.
        authorization: Its `authorization`, if it sent one.
        rest: Whether the call came over REST.
        parent: Its `traceparent`, if it sent one.
        state: Its `tracestate`, if it sent one.
        unit: Whom the call concerns, if it says so.
        pin: Version or arm that it asks for, if it does.
    """

    api_key: str | None = None
    priority: str | None = None
    certificate: str | None = None
    authorization: str | None = None
    rest: bool = False
    parent: str | None = None
    state: str | None = None
    unit: str | None = None
    pin: str | None = None


def read_sender(metadata: Sequence[tuple[str, Any]]) -> Sender:
    """Finds what the gateway looks at in metadata: pairs, of which the first of a name counts."""
    found = dict(reversed(metadata))
    if OTHERS.isdisjoint(found):
        return Sender(found.get(API_KEY))
    key, asked, certificate, authorization = map(found.get, (API_KEY, PRIORITY, CERTIFICATE, AUTHORIZATION))
    parent, state, unit, pin = map(found.get, (PARENT, STATE, UNIT, PIN))
    rest = ORIGINAL_PATH in found
    return Sender(key, asked, certificate, authorization, rest, parent, state, unquote(unit) if unit else None, pin)


def read_call(trace: CallTrace, message: bytes, sender: Sender, remaining: float | None, now: float) -> Call:
    """Takes what the stages need of a call.

    Args:
        trace: Where its way is noted.
        message: The request.
        sender: Who sent it.
        remaining: Seconds until the caller stops waiting, or None.
        now: The event loop's clock.

    Raises:
        DeadlineExceeded: The caller has stopped waiting.
        InvalidRequest: The caller asks for a class that does not exist.
    """
    if remaining is not None and remaining <= 0:
        raise DeadlineExceeded("DEADLINE_EXCEEDED", "the deadline had passed when the call arrived; allow more time")
    api_key, asked, certificate, authorization, rest, _, _, unit, pin = sender
    priority = None if asked is None else read_priority(asked)
    deadline = None if remaining is None else now + remaining
    trace.deadline = deadline
    path = trace.path
    return Call(message, api_key, deadline, False, priority, certificate, authorization, path, rest, trace, unit, pin)  # noqa: FBT003 - its fields in order, half the time


def read_priority(name: str) -> Priority:
    """Reads the class that a caller asks for.

    Raises:
        InvalidRequest: There is no such class.
    """
    try:
        return Priority[name.upper()]
    except KeyError:
        names = ", ".join(PRIORITIES)
        raise InvalidRequest("INVALID_FIELD", f"metadata {PRIORITY}: there is no '{name}'; choose {names}") from None


def find(table: Table, path: str, kind: type[Kind]) -> Kind:
    """Returns the endpoint of a path.

    Raises:
        Unimplemented: Nobody serves it as that kind of method.
    """
    endpoint = table.get(path)
    if isinstance(endpoint, kind):
        return endpoint
    raise unknown_method(path)


def unknown_method(path: str) -> Unimplemented:
    """The error of a path that nobody serves."""
    return Unimplemented(
        "METHOD_UNKNOWN", f"no method {path} is served; list those that are with gRPC reflection", method=path
    )


def no_bytes(answer: object) -> TypeError:
    """The error of an endpoint whose answer cannot be sent."""
    return TypeError(f"an answer is bytes, not {type(answer).__name__}")


def tell(trace: CallTrace, error: BaseException) -> tuple[GatewayError, WireStatus]:
    """Returns what a call that fails is told, and its status; one that cannot be written is unexpected."""
    try:
        told = refusal_of(trace, error)
        return told, wire_status(told)
    except Exception as fault:  # noqa: BLE001 - half a character, say; whatever it is, the call is to be answered
        told = refusal_of(trace, fault)
        return told, wire_status(told)


def refusal_of(trace: CallTrace, error: BaseException) -> GatewayError:
    """Returns what the caller is told: an expected error as it is, of any other only where to find it in the log."""
    if isinstance(error, GatewayError):
        return error
    incident = token_hex(4)
    identify(trace)
    told = {"trace_id": hex128(trace.trace_id), "span_id": hex64(trace.span_id)}
    log.error("unexpected error", method=trace.path, incident=incident, tenant=trace.tenant, **told, exc_info=error)
    return GatewayError("INTERNAL", f"the gateway failed; its log has incident {incident}", incident=incident)
