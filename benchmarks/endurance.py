"""Memory of the gateway's process over a million calls, and over a hundred thousand that their callers cancel.

    python -m benchmarks.endurance [--backend onnx|triton] [--calls 1000000] [--cancelled 100000]

Every answer is checked. Calls are cancelled at random moments of their short lives: before they are sent, in the lane,
on the node, or when the answer is on its way.
"""

import argparse
import asyncio
import random
from collections import Counter
from typing import Any

import grpc
import uvloop

from benchmarks.arena import Arena, echo_request, open_arena
from benchmarks.copies import MIB, read_memory
from benchmarks.steady_load import MODEL_INFER, SteadyLoad

REQUESTS = 256
ROW_BYTES = 40
LOOKS = 10
LONGEST_LIFE_SECONDS = 0.02
CALLERS = 64
REST_SECONDS = 2.0  # callers that cancel are quicker than any server: what has piled up is not what stays


async def ask(arena: Arena, calls: int) -> None:
    """Makes calls, and says every tenth of them how much memory the gateway holds."""
    contents = [random.Random(seed).randbytes(ROW_BYTES) for seed in range(REQUESTS)]  # noqa: S311 - no secret
    requests = [echo_request(content) for content in contents]

    def check(number: int, answer: bytes) -> str:
        return "" if answer.endswith(contents[number]) else "another call's answer"

    asked, sizes = 0, list[int]()
    async with SteadyLoad(arena.address, requests, check, api_key=arena.api_key, callers=CALLERS) as load:
        while asked < calls:
            await asyncio.sleep(0.1)
            if asked + len(load.asked) >= calls / LOOKS * (len(sizes) + 1):
                sizes.append(read_memory(arena.pid, "VmRSS"))
                print(f"{asked + len(load.asked):10,d} calls  {sizes[-1] / MIB:7.1f} MiB", flush=True)
                problems = load.since(0).problems
                assert not problems, problems
                asked += len(load.asked)
                load.asked.clear()
    print(f"from the first tenth to the last: {sizes[-1] / sizes[0] - 1:+.1%}")


async def cancel(arena: Arena, calls: int) -> None:
    """Makes calls that give up, and says every tenth of them how much memory the gateway holds."""
    request, outcomes, sizes = echo_request(bytes(ROW_BYTES)), Counter[str](), list[int]()
    async with grpc.aio.insecure_channel(arena.address) as channel:
        infer: Any = channel.unary_unary(MODEL_INFER)

        async def caller(share: int) -> None:
            for _ in range(share):
                call = infer(request, metadata=(("x-api-key", arena.api_key),))
                await asyncio.sleep(random.random() * LONGEST_LIFE_SECONDS)  # noqa: S311 - no secret
                outcomes["cancelled" if call.cancel() else "answered before"] += 1

        for _ in range(LOOKS):
            await asyncio.gather(*(caller(calls // LOOKS // CALLERS) for _ in range(CALLERS)))
            await asyncio.sleep(REST_SECONDS)
            sizes.append(read_memory(arena.pid, "VmRSS"))
            print(f"{outcomes.total():10,d} calls  {sizes[-1] / MIB:7.1f} MiB  {dict(outcomes)}", flush=True)
        assert await infer(request, metadata=(("x-api-key", arena.api_key),)), "it does not answer any more"
    print(f"from the first tenth to the last: {sizes[-1] / sizes[0] - 1:+.1%}")


def main() -> None:
    """Runs the benchmark."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--backend", choices=["onnx", "triton"], default="onnx")
    arguments.add_argument("--calls", type=int, default=1_000_000)
    arguments.add_argument("--cancelled", type=int, default=100_000)
    chosen = arguments.parse_args()
    with open_arena(chosen.backend) as arena:
        for work, number in ((ask, chosen.calls), (cancel, chosen.cancelled)):
            if number:
                uvloop.run(work(arena, number))


if __name__ == "__main__":
    main()
