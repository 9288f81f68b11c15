"""Callers that give each call a trace of its own, and remember what it ended with."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from random import getrandbits
from typing import Any

import grpc

from benchmarks.steady_load import MODEL_INFER

# What clients, and the front of the native listener, say of a deadline that passes before the gateway has said a word.
OWN_WORDS = "Deadline Exceeded"


@dataclass(frozen=True, slots=True)
class Ended:
    """One call.

    Attributes:
        trace: Its trace, 32 hexadecimal digits.
        code: Name of the code that it ended with.
        told: Whether it was the gateway that said so.
    """

    trace: str
    code: str
    told: bool


@dataclass(slots=True)
class TracedCalls:
    """Calls of one gateway.

    Attributes:
        address: Of the gateway.
        api_key: Of a tenant.
        requests: Serialised requests, made in turn.
        ended: Every call.
    """

    address: str
    api_key: str
    requests: Sequence[bytes]
    ended: list[Ended] = field(default_factory=list)
    _numbers: Any = field(default_factory=lambda: count(getrandbits(120)))

    @asynccontextmanager
    async def calling(self, callers: int, pause_seconds: float, timeout_seconds: float) -> AsyncIterator[None]:
        """Lets callers call meanwhile; afterwards every one of their calls has ended."""
        stop = asyncio.Event()

        async def keep_calling(stub: Any) -> None:
            while not stop.is_set():
                await self._call(stub, timeout_seconds)
                await asyncio.sleep(pause_seconds)

        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(self.address, options=options) as channel:
            stub: Any = channel.unary_unary(MODEL_INFER)
            tasks = [asyncio.create_task(keep_calling(stub)) for _ in range(callers)]
            try:
                yield
            finally:
                stop.set()
                await asyncio.gather(*tasks)

    async def _call(self, stub: Any, timeout_seconds: float) -> None:
        number = next(self._numbers)
        trace = f"{number:032x}"
        metadata = (("x-api-key", self.api_key), ("traceparent", f"00-{trace}-00000000000000aa-00"))
        call = stub(self.requests[number % len(self.requests)], metadata=metadata, timeout=timeout_seconds)
        code, details = await call.code(), await call.details()
        self.ended.append(Ended(trace, code.name, details != OWN_WORDS))
