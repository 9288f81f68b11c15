"""A credit service on a loopback port that answers as its test scripts it."""
# ruff: noqa: N802 - the contract names its methods

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import grpc
from erpml.finance.v1 import credit_service_pb2 as credit
from erpml.finance.v1.credit_service_pb2_grpc import CreditServiceServicer, add_CreditServiceServicer_to_server
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status

Behaviour = Callable[[credit.ScoreCreditRequest, Any], credit.ScoreCreditResponse]


class RichStatus(NamedTuple):
    """What `abort_with_status` reads."""

    code: grpc.StatusCode
    details: str
    trailing_metadata: tuple[tuple[str, str | bytes], ...]


grpc.Status.register(RichStatus)


def rich_status(code: grpc.StatusCode, message: str, *details: Message) -> RichStatus:
    """Packs details as a gateway does, in `google.rpc.Status`."""
    packed = [AnyMessage() for _ in details]
    for holder, detail in zip(packed, details, strict=True):
        holder.Pack(detail)
    status = Status(code=code.value[0], message=message, details=packed)
    return RichStatus(code, message, (("grpc-status-details-bin", status.SerializeToString()),))


def answer(request: credit.ScoreCreditRequest, _context: Any = None) -> credit.ScoreCreditResponse:
    """Answers with the applicant's own age as the limit."""
    return credit.ScoreCreditResponse(
        default_probability=0.25,
        risk_category=credit.RISK_CATEGORY_HIGH,
        credit_limit_minor=request.age_years,
    )


@dataclass(slots=True)
class CreditServer(CreditServiceServicer):
    """Records each call, and answers it by the next behaviour; the last one stays."""

    target: str = ""
    behaviours: list[Behaviour] = field(default_factory=lambda: [answer])
    requests: list[credit.ScoreCreditRequest] = field(default_factory=list)
    metadata: list[dict[str, str | bytes]] = field(default_factory=list)
    seconds_left: list[float] = field(default_factory=list)
    started: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    def ScoreCredit(self, request: credit.ScoreCreditRequest, context: Any) -> credit.ScoreCreditResponse:
        """Answers as scripted."""
        context.add_callback(self.ended.set)
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata()))
        self.seconds_left.append(context.time_remaining())
        self.started.set()
        behaviour = self.behaviours.pop(0) if len(self.behaviours) > 1 else self.behaviours[0]
        return behaviour(request, context)

    def BatchScoreCredit(
        self, request: credit.BatchScoreCreditRequest, context: Any
    ) -> credit.BatchScoreCreditResponse:
        """Answers each application."""
        del context
        results = [credit.BatchScoreCreditResult(response=answer(item)) for item in request.requests]
        return credit.BatchScoreCreditResponse(results=results)

    def fail(self, status: RichStatus, *then: Behaviour) -> None:
        """Fails the next call, and all that follow unless `then` answers them."""
        self.behaviours = [lambda _, context: context.abort_with_status(status), *then]

    def hold(self) -> None:
        """Lets calls wait until their caller gives up."""

        def wait(request: credit.ScoreCreditRequest, _context: Any) -> credit.ScoreCreditResponse:
            self.ended.wait(10)
            return answer(request)

        self.behaviours = [wait]


@contextmanager
def serving() -> Iterator[CreditServer]:
    """Serves credit on a free loopback port."""
    servicer = CreditServer()
    with listening(lambda server: add_CreditServiceServicer_to_server(servicer, server)) as servicer.target:
        yield servicer


@contextmanager
def listening(register: Callable[[grpc.Server], None]) -> Iterator[str]:
    """Serves what `register` adds on a free loopback port, and returns its address."""
    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    register(server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


class Recorder(grpc.GenericRpcHandler):
    """Knows no method, and keeps the metadata of the calls."""

    def __init__(self) -> None:
        self.metadata: list[dict[str, str | bytes]] = []

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> None:
        """Records the call."""
        self.metadata.append(dict(handler_call_details.invocation_metadata))

    def join(self, server: grpc.Server) -> None:
        """Adds itself to a server."""
        server.add_generic_rpc_handlers((self,))
