"""Who is asked: an address, a method and a message, and the processes of each stage behind it."""

import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio

from benchmarks.lanes.framing import frame
from benchmarks.lanes.questions import Question

LIVE, INFER = "/inference.GRPCInferenceService/ServerLive", "/inference.GRPCInferenceService/ModelInfer"
ANSWER_SECONDS, LOOKS = 10.0, 100


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way to get a call answered.

    Attributes:
        name: What tables call it.
        address: `host:port`.
        headers: Sent with every call.
        stages: Processes of each stage, with all that descend from them, by its name.
        question: What is asked; none for `ServerLive`.
        authority: Of its certificate, where it speaks TLS.
    """

    name: str
    address: str
    headers: tuple[tuple[str, str], ...]
    stages: Mapping[str, tuple[int, ...]]
    question: Question | None = None
    authority: Path | None = None

    @property
    def url(self) -> str:
        """Where `h2load` sends calls."""
        scheme = "http" if self.authority is None else "https"
        return f"{scheme}://{self.address}{self.method}"

    @property
    def method(self) -> str:
        """Path of the method."""
        return INFER if self.question else LIVE

    @property
    def body(self) -> bytes:
        """What is sent."""
        return self.question.body if self.question else frame(b"")


class WrongAnswerError(Exception):
    """A contestant does not answer right; the message says which, and how."""


async def verify(contestants: Iterable[Contestant]) -> dict[str, int]:
    """Looks at answers of each contestant; returns how long their bodies are, by its name.

    Raises:
        WrongAnswerError: One is wrong, or has another length than the others.
    """
    sizes: dict[str, int] = {}
    for contestant in contestants:
        lengths = {len(frame(each)) for each in await answers_of(contestant)}
        if len(lengths) != 1:
            raise WrongAnswerError(f"{contestant.name}: answers to one question are of {sorted(lengths)} bytes")
        sizes[contestant.name] = lengths.pop()
    return sizes


async def answers_of(contestant: Contestant) -> list[bytes]:
    """Asks a contestant some times.

    Raises:
        WrongAnswerError: An answer is wrong.
    """
    answers: list[bytes] = []
    async with open_channel(contestant) as channel:
        ask: Any = channel.unary_unary(contestant.method)
        for _ in range(LOOKS):
            answer = bytes(await ask(contestant.body[5:], metadata=contestant.headers, timeout=ANSWER_SECONDS))
            problem = contestant.question.problem(answer) if contestant.question else ""
            if problem:
                raise WrongAnswerError(f"{contestant.name}: {problem}")
            answers.append(answer)
    return answers


def open_channel(contestant: Contestant) -> grpc.aio.Channel:
    """Opens a channel."""
    if contestant.authority is None:
        return grpc.aio.insecure_channel(contestant.address)
    trusted = grpc.ssl_channel_credentials(contestant.authority.read_bytes())
    return grpc.aio.secure_channel(contestant.address, trusted)


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Makes a certificate for this machine that is its own authority; returns it and its key.

    Raises:
        CalledProcessError: `openssl` fails.
    """
    certificate, key = folder / "edge.crt", folder / "edge.key"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1")
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    command = ["openssl", "req", "-x509", *curve, *names, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own command
    return certificate, key
