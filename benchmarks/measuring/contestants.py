"""Who is asked: an address, questions with known answers, and the processes of each stage behind it."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Protocol


class Asked(Protocol):
    """One call with a known answer."""

    @property
    def body(self) -> bytes:
        """What is sent; behind its prefix where it is gRPC."""
        ...

    def problem(self, message: bytes) -> str:
        """Says what is wrong with an answer, if anything; of gRPC it is the message without its prefix."""
        ...


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way to get a call answered.

    Attributes:
        name: What tables call it.
        address: `host:port`.
        path: Of the method.
        questions: The first is the one that loads repeat.
        stages: Processes of each stage, with all that descend from them, by its name.
        headers: Sent with every call, beside those that gRPC demands.
        grpc: Over HTTP/2; otherwise it is a POST over HTTP/1.1.
        authority: Of its certificate, where it speaks TLS.
    """

    name: str
    address: str
    path: str
    questions: tuple[Asked, ...]
    stages: Mapping[str, tuple[int, ...]]
    headers: tuple[tuple[str, str], ...] = ()
    grpc: bool = True
    authority: Path | None = None

    @property
    def url(self) -> str:
        """Where `h2load` sends calls."""
        scheme = "http" if self.authority is None else "https"
        return f"{scheme}://{self.address}{self.path}"

    @property
    def roots(self) -> tuple[int, ...]:
        """Processes of all stages."""
        return tuple(chain.from_iterable(self.stages.values()))
