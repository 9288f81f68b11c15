"""Callers that do what a load does not: they ask for nonsense, hang up, give up, and stream."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import grpc
import grpc.aio
from tritonclient.grpc import service_pb2

from benchmarks.arena import echo_request
from benchmarks.measuring.framing import METHOD
from benchmarks.models import ECHO

STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"
ROW_BYTES, REQUESTS_OF_A_STREAM = 40, 8
LONGEST_LIFE_SECONDS = 0.01
ANSWER_SECONDS = 30.0
PATIENCE_SECONDS, PAUSE_SECONDS = 20.0, 0.2
SEEN = "changes of the catalog seen"
CANCELLED, ANSWERED, STREAMED, LEFT = "cancelled", "answered before", "streamed", "stream left"
Headers = tuple[tuple[str, str], ...]
Visit = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Guests:
    """Callers of one gateway.

    Attributes:
        address: Of the gateway.
        headers: Sent with calls.
        outcomes: What became of calls, by what they were or their code.
        problems: What became of calls that should have ended otherwise.
    """

    address: str
    headers: Headers
    outcomes: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)

    async def stay(self, seconds: float) -> None:
        """Makes calls for a while."""
        async with grpc.aio.insecure_channel(self.address) as channel:
            infer: Any = channel.unary_unary(METHOD)
            stream: Any = channel.stream_stream(STREAM)
            visits: dict[Visit, float] = {
                lambda: self.misbehave(infer): 10.0,
                lambda: self.cancel(infer): 60.0,
                lambda: self.stream(stream, leave=False): 1.0,
                lambda: self.stream(stream, leave=True): 1.0,
            }
            await asyncio.gather(*(repeat(visit, rate, seconds) for visit, rate in visits.items()))

    async def misbehave(self, infer: Any) -> None:
        """Makes a bad call of each kind."""
        good = echo_request(bytes(ROW_BYTES))
        await self._expect(infer, good.replace(ECHO.encode(), b"team9_none"), grpc.StatusCode.NOT_FOUND)
        await self._expect(infer, b"\xff\xff", grpc.StatusCode.INVALID_ARGUMENT)
        await self._expect(infer, good[:-4], grpc.StatusCode.INVALID_ARGUMENT)
        await self._expect(infer, good, grpc.StatusCode.UNAUTHENTICATED, headers=(("x-api-key", "nobody's"),))

    async def see(self, message: bytes, code: grpc.StatusCode) -> None:
        """Waits until a call ends with a code."""
        end = monotonic() + PATIENCE_SECONDS
        async with grpc.aio.insecure_channel(self.address) as channel:
            infer: Any = channel.unary_unary(METHOD)
            while True:
                call = infer(message, metadata=self.headers, timeout=ANSWER_SECONDS)
                if (found := await call.code()) is code:
                    self.outcomes[SEEN] += 1
                    return
                if monotonic() > end:
                    self.problems[f"{found} instead of {code.name} long after a change of the catalog"] += 1
                    return
                await asyncio.sleep(PAUSE_SECONDS)

    async def _expect(self, infer: Any, message: bytes, code: grpc.StatusCode, headers: Headers | None = None) -> None:
        """Makes a call that has to fail."""
        try:
            await infer(message, metadata=headers or self.headers, timeout=ANSWER_SECONDS)
        except grpc.aio.AioRpcError as error:
            self.outcomes[error.code().name] += 1
            if error.code() is not code:
                self.problems[f"{error.code().name} instead of {code.name}: {error.details()}"] += 1
        else:
            self.problems[f"OK instead of {code.name}"] += 1

    async def cancel(self, infer: Any) -> None:
        """Makes a call, and hangs up at a random moment of its life, or after it."""
        call = infer(echo_request(bytes(ROW_BYTES)), metadata=self.headers, timeout=ANSWER_SECONDS)
        await asyncio.sleep(random.random() * LONGEST_LIFE_SECONDS)  # noqa: S311 - no secret
        if call.cancel():
            self.outcomes[CANCELLED] += 1
        elif await call.code() is grpc.StatusCode.OK:
            self.outcomes[ANSWERED] += 1
        else:
            self.problems[f"a call that was to be cancelled: {await call.code()}"] += 1

    async def stream(self, stream: Any, *, leave: bool) -> None:
        """Streams a few requests and looks at the answers, or hangs up after the first."""
        contents = [number.to_bytes(ROW_BYTES, "little") for number in range(REQUESTS_OF_A_STREAM)]
        call = stream(send(contents), metadata=self.headers, timeout=ANSWER_SECONDS)
        try:
            for content in contents:
                answer = service_pb2.ModelStreamInferResponse.FromString(await call.read())
                if list(answer.infer_response.raw_output_contents) != [content]:
                    self.problems[f"another answer in a stream: {answer.error_message}"] += 1
                if leave:
                    break
            if leave:
                call.cancel()
            elif await call.read() is not grpc.aio.EOF:
                self.problems["a stream does not end"] += 1
            self.outcomes[LEFT if leave else STREAMED] += 1
        except grpc.aio.AioRpcError as error:
            self.problems[f"a stream ended with {error.code().name}: {error.details()}"] += 1


async def send(contents: list[bytes]) -> AsyncIterator[bytes]:
    """Yields the requests of a stream."""
    for content in contents:
        yield echo_request(content)


async def repeat(visit: Visit, per_second: float, seconds: float) -> None:
    """Visits again and again, so often on average at most."""
    end = monotonic() + seconds
    while (left := end - monotonic()) > 0:
        await visit()
        await asyncio.sleep(min(random.uniform(0.5, 1.5) / per_second, left))  # noqa: S311 - no secret
