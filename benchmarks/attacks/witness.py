"""Watches an edge that is attacked: are other callers answered, and how much memory do its processes hold?"""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import grpc.aio

from benchmarks.measuring.memory import proportional_mib

PROBE_SECONDS, PROBE_TIMEOUT_SECONDS, LOOK_SECONDS = 0.05, 5.0, 0.05
OWN = (("grpc.use_local_subchannel_pool", 1),)


@dataclass(slots=True)
class Testimony:
    """What was seen.

    Attributes:
        answered: Calls of the caller beside the attack, by how long they took, in seconds.
        refused: Those that were not answered, by code and words.
        before_mib: Memory of all processes before.
        most_mib: The most meanwhile.
        after_mib: A while later.
    """

    before_mib: float
    answered: list[float] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    most_mib: float = 0.0
    after_mib: float = 0.0


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls beside the attack.

    Attributes:
        address: Of the edge.
        headers: Sent with every call; attackers send them too.
        method: Path of the method that is called.
        message: What is sent.
    """

    address: str
    headers: tuple[tuple[str, str], ...]
    method: str
    message: bytes = b""


async def watch(name: str, caller: Caller, pids: Sequence[int], seconds: float) -> Testimony:
    """Starts an attack in a process of its own and calls meanwhile."""
    seen = Testimony(memory_mib(pids))
    command = [sys.executable, "-m", "benchmarks.attacks.attacking", name, caller.address, str(seconds)]
    attacking = await asyncio.create_subprocess_exec(*command, *(text for pair in caller.headers for text in pair))
    looking = asyncio.create_task(look(seen, pids))
    async with grpc.aio.insecure_channel(caller.address, options=OWN) as channel:
        ask: Any = channel.unary_unary(caller.method)
        while attacking.returncode is None:
            begun = monotonic()
            try:
                await ask(caller.message, metadata=caller.headers, timeout=PROBE_TIMEOUT_SECONDS)
                seen.answered.append(monotonic() - begun)
            except grpc.aio.AioRpcError as error:
                seen.refused.append(f"{error.code().name}: {error.details()}")
            await asyncio.sleep(PROBE_SECONDS)
    await attacking.wait()
    looking.cancel()
    await asyncio.sleep(1.0)
    seen.after_mib = memory_mib(pids)
    return seen


async def look(seen: Testimony, pids: Sequence[int]) -> None:
    """Notes the most memory."""
    while True:
        seen.most_mib = max(seen.most_mib, memory_mib(pids))
        await asyncio.sleep(LOOK_SECONDS)


def memory_mib(pids: Sequence[int]) -> float:
    """Returns the memory that processes hold; pages that they share count once."""
    return sum(map(proportional_mib, pids))
