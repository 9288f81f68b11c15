"""Callers that ask one after the other until they are told to stop, and check every answer byte for byte."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from types import TracebackType
from typing import Any, Self

import grpc

MODEL_INFER = "/inference.GRPCInferenceService/ModelInfer"
REST_AFTER_FAILURE_SECONDS = 0.02

# Position of the request and the serialised response -> what is wrong with it, or nothing.
Check = Callable[[int, bytes], str]


@dataclass(frozen=True, slots=True)
class Asked:
    """One call.

    Attributes:
        started: In seconds of `monotonic`.
        seconds: Until its answer or error.
        problem: The error, or what is wrong with the answer; empty if it is right.
    """

    started: float
    seconds: float
    problem: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of the calls of a while."""

    calls: int
    failed: int
    p50_ms: float
    p99_ms: float
    most_ms: float
    problems: Counter[str]

    def __str__(self) -> str:
        times = f"p50 {self.p50_ms:6.1f} ms   p99 {self.p99_ms:6.1f} ms   max {self.most_ms:6.0f} ms"
        return f"{self.calls:7,d} calls   {self.failed:5,d} failed   {times}"


class SteadyLoad:
    """Load on one address for as long as the context is open.

    Args:
        address: `host:port`.
        api_key: Sent with every call; None for a bare Triton.
        requests: Serialised requests, dealt out to the callers in turn.
        check: Looks at every answer.
        path: The method, `/package.Service/Method`.
        callers: How many ask at the same time, over one connection each 16.
        pause_seconds: How long a caller waits after an answer.
        timeout_seconds: Deadline of every call.
    """

    def __init__(  # noqa: PLR0913 - what a load consists of
        self,
        address: str,
        requests: Sequence[bytes],
        check: Check,
        *,
        path: str = MODEL_INFER,
        api_key: str | None = None,
        callers: int = 64,
        pause_seconds: float = 0.0,
        timeout_seconds: float = 5.0,
    ) -> None:
        self.asked: list[Asked] = []
        self._requests = requests
        self._check = check
        self._path = path
        self._pause_seconds = pause_seconds
        self._timeout_seconds = timeout_seconds
        self._metadata = () if api_key is None else (("x-api-key", api_key),)
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
        self._channels = [grpc.aio.insecure_channel(address, options=options) for _ in range(-(-callers // 16))]
        self._callers = callers
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        stubs: list[Any] = [channel.unary_unary(self._path) for channel in self._channels]
        self._tasks = [
            asyncio.create_task(self._call_on(stubs[number % len(stubs)], number)) for number in range(self._callers)
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for channel in self._channels:
            await channel.close()

    def since(self, start: float, end: float = float("inf")) -> Summary:
        """Sums up the calls that started in a while, by seconds of `monotonic`."""
        asked = [call for call in self.asked if start <= call.started < end]
        seconds = sorted(call.seconds for call in asked) or [0.0]
        problems = Counter(call.problem for call in asked if call.problem)
        p50, p99 = (1000 * seconds[int(len(seconds) * share)] for share in (0.5, 0.99))
        return Summary(len(asked), problems.total(), p50, p99, 1000 * seconds[-1], problems)

    async def during(self, seconds: float) -> Summary:
        """Waits, and sums up the calls of that time."""
        start = monotonic()
        await asyncio.sleep(seconds)
        return self.since(start)

    async def _call_on(self, stub: Any, number: int) -> None:
        while True:
            number = (number + self._callers) % len(self._requests)
            problem, started = "", monotonic()
            try:
                answer = await stub(self._requests[number], timeout=self._timeout_seconds, metadata=self._metadata)
                problem = self._check(number, answer)
            except grpc.aio.AioRpcError as error:
                problem = f"{error.code().name}: {error.details()}"
            self.asked.append(Asked(started, monotonic() - started, problem))
            await asyncio.sleep(REST_AFTER_FAILURE_SECONDS if problem else self._pause_seconds)
