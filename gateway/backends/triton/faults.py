"""Reads what a node answers instead of an answer: whose fault it is, and so whether another node may do better."""

from enum import Enum, auto

import grpc

STUB_DIED = "Stub process"
CONNECTION_LOST = ("Internal error from Core", "Stream removed", "RST_STREAM", "GOAWAY")
NOT_LOADED = ("Request for unknown model", "has stopped accepting new inference requests")


# Codes with which a model fails, and with which a node fails a model that is well.
UNCLEAR = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.RESOURCE_EXHAUSTED)


class Blame(Enum):
    """Whose fault a failed call is."""

    NODE = auto()
    """The node cannot be reached or is about to stop: none of its models answers."""

    MODEL_MISSING = auto()
    """The node answers, but it has not loaded the model version."""

    MODEL_SICK = auto()
    """The process that runs the model on the node has died, and will not come back by itself."""

    TIME = auto()
    """The deadline passed."""

    UNCLEAR = auto()
    """The model failed: on these inputs, or because the node lacks memory or the like. Another node can tell."""

    REQUEST = auto()
    """The node refused the request; another would do the same."""


class NodeFault(Exception):
    """A node did not answer a call.

    Args:
        blame: Whose fault it is.
        code: Status that the node or the channel gave.
        details: Its words.
    """

    def __init__(self, blame: Blame, code: grpc.StatusCode, details: str) -> None:
        super().__init__(details)
        self.blame = blame
        self.code = code
        self.details = details


def read_fault(error: grpc.aio.AioRpcError) -> NodeFault:
    """Tells whose fault a failed call is."""
    return fault_of(error.code(), error.details() or "")


def fault_of(code: grpc.StatusCode, details: str) -> NodeFault:
    """Tells whose fault a status is that was answered instead of an answer."""
    blame = blame_of(code, details)
    return NodeFault(blame, code, f"cannot be reached: {details}" if blame is Blame.NODE else details)


def blame_of(code: grpc.StatusCode, details: str) -> Blame:
    """Tells whose fault a status is."""
    if code in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNAVAILABLE) and any(text in details for text in NOT_LOADED):
        return Blame.MODEL_MISSING
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
        return Blame.NODE
    if code in UNCLEAR and any(text in details for text in CONNECTION_LOST):
        return Blame.NODE
    if code is grpc.StatusCode.INTERNAL and STUB_DIED in details:
        return Blame.MODEL_SICK
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return Blame.TIME
    return Blame.UNCLEAR if code in UNCLEAR else Blame.REQUEST
