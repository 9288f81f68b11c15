"""What answers the case table: tritonserver itself, and the gateway over each of its backends."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from tritonclient.grpc import service_pb2

from gateway.edge.kserve.service import SERVICE
from tests.contract.cases import Case

PATIENCE_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call: its code, and its message or its answer."""

    code: str
    message: str
    answer: Any = None

    @property
    def content(self) -> bytes:
        """The answer's bytes, in an order that does not change."""
        return b"" if self.answer is None else bytes(self.answer.SerializeToString(deterministic=True))


@dataclass(frozen=True, slots=True)
class Target:
    """One server.

    Attributes:
        name: Which.
        address: Where it listens.
        channel: To it.
        headers: What says who calls.
        operator: What says that an operator calls.
    """

    name: str
    address: str
    channel: grpc.Channel
    headers: dict[str, str]
    operator: dict[str, str]

    def method(self, name: str, kind: Callable[..., Any]) -> Any:
        """Returns a method that takes messages and returns bytes."""
        return kind(f"/{SERVICE}/{name}", request_serializer=lambda message: message.SerializeToString())

    def ask(self, case: Case) -> Outcome:
        """Makes one unary call."""
        try:
            answer = self.method(case.method, self.channel.unary_unary)(
                case.request, metadata=tuple(self.operator.items()), timeout=PATIENCE_SECONDS
            )
        except grpc.RpcError as error:
            return failed(error)
        return Outcome("OK", "", plain(getattr(service_pb2, f"{case.method}Response").FromString(answer)))

    def stream(self, requests: Iterable[Any], *metadata: tuple[str, str]) -> list[Outcome]:
        """Makes one stream of inferences; returns what came, and how it ended."""
        sent = (*self.headers.items(), *metadata)
        call = self.method("ModelStreamInfer", self.channel.stream_stream)(
            iter(requests), metadata=sent, timeout=PATIENCE_SECONDS
        )
        outcomes = []
        try:
            for answer in call:
                told = service_pb2.ModelStreamInferResponse.FromString(answer)
                outcomes.append(Outcome("", told.error_message, told.infer_response))
        except grpc.RpcError as error:
            return [*outcomes, failed(error)]
        return [*outcomes, Outcome("OK", "")]


def failed(error: Any) -> Outcome:
    """Reads a failed call."""
    return Outcome(error.code().name, str(error.details()))


def plain(answer: Any) -> Any:
    """Takes out of an answer what names a file of the backend, of which the gateway knows nothing."""
    if isinstance(answer, service_pb2.ModelConfigResponse):
        answer.config.runtime = ""
    return answer


def seen(outcomes: list[Outcome]) -> list[tuple[str, str, bytes]]:
    """Returns what can be compared of outcomes."""
    return [(each.code, each.message, each.content) for each in outcomes]


@contextmanager
def target(name: str, address: str, api_key: str = "", operator_key: str = "") -> Iterator[Target]:
    """Opens a channel to a server."""
    with grpc.insecure_channel(address) as channel:
        yield Target(name, address, channel, {"x-api-key": api_key}, {"x-api-key": operator_key})
