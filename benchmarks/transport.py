"""The hop from the gateway to a Triton node: what a small batch costs over the node's own client and over grpc.aio's.

    python -m benchmarks.transport [--rounds 10] [--floats 30]

First the clients alone, in this process, in alternating rounds with 1, 4 and 16 batches in flight: the median of the
latency, this process's CPU, and calls. Then calls one after the other through a gateway and directly to its node, in
alternating rounds as well: what the gateway adds. Every answer is compared with what was sent.
"""

import argparse
import asyncio
import random
import resource
import statistics
import struct
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import grpc
import uvloop

from benchmarks.arena import Arena, echo_request, open_arena
from benchmarks.steady_load import MODEL_INFER
from gateway.backends.triton.node import Node

IN_FLIGHT = (1, 4, 16)
CALLS = 300
TIMEOUT_SECONDS = 5.0
REQUESTS = 64

Infer = Callable[[bytes], Awaitable[bytes]]
Asked = tuple[bytes, bytes]  # a tensor, and the request that it is sent in


@dataclass(frozen=True, slots=True)
class Round:
    """What a round measured.

    Attributes:
        p50_us: Median latency of a call.
        cpu_us: CPU time of the measured process, per call.
        rate: Calls a second.
    """

    p50_us: float
    cpu_us: float
    rate: float


def middle(rounds: Sequence[Round]) -> str:
    """Returns the medians of several rounds as part of a line."""
    p50, cpu, rate = (statistics.median(getattr(each, name) for each in rounds) for name in Round.__slots__)
    return f"{p50:8.0f} {cpu:8.0f} {rate:8.0f}"


async def measure_client(infer: Infer, asked: Sequence[Asked], in_flight: int) -> Round:
    """Lets several callers call, one after the other each."""
    seconds = list[float]()

    async def caller(number: int) -> None:
        for turn in range(CALLS * 2 // (in_flight + 1)):
            content, request = asked[(turn * in_flight + number) % len(asked)]
            begin = perf_counter()
            answer = await infer(request)
            seconds.append(perf_counter() - begin)
            assert answer.endswith(content), "another call's answer"

    before, start = own_cpu_seconds(), perf_counter()
    await asyncio.gather(*(caller(number) for number in range(in_flight)))
    elapsed, cpu = perf_counter() - start, own_cpu_seconds() - before
    return Round(statistics.median(seconds) * 1e6, cpu / len(seconds) * 1e6, len(seconds) / elapsed)


async def compare_clients(address: str, asked: Sequence[Asked], rounds: int) -> None:
    """Measures the node's own client and grpc.aio's, and prints a line each."""
    node, channel = Node(address), grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
    stub: Any = channel.unary_unary(MODEL_INFER)
    clients: dict[str, Infer] = {
        "grpc.aio": lambda request: stub(request, timeout=TIMEOUT_SECONDS),
        "own": lambda request: node.infer(request, 1, TIMEOUT_SECONDS),
    }
    measured: dict[tuple[str, int], list[Round]] = {}
    for infer in clients.values():
        await measure_client(infer, asked, max(IN_FLIGHT))  # to be warm
    for _ in range(rounds):
        for name in random.sample(list(clients), len(clients)):
            for in_flight in IN_FLIGHT:
                measured.setdefault((name, in_flight), []).append(await measure_client(clients[name], asked, in_flight))
    print("client     in flight   p50 us   CPU us  calls/s")
    for (name, in_flight), each in sorted(measured.items(), key=lambda entry: (entry[0][1], entry[0][0])):
        print(f"{name:10} {in_flight:9d} {middle(each)}")
    await node.close()
    await channel.close()


def measure_way(stub: Any, api_key: str, asked: Sequence[Asked], pid: int | None) -> Round:
    """Makes calls one after the other; `pid` is the process whose CPU time counts."""
    seconds = list[float]()
    before, start = cpu_seconds(pid), perf_counter()
    for turn in range(CALLS):
        content, request = asked[turn % len(asked)]
        begin = perf_counter()
        answer = stub(request, timeout=TIMEOUT_SECONDS, metadata=(("x-api-key", api_key),))
        seconds.append(perf_counter() - begin)
        assert content in answer, "another call's answer"
    elapsed, cpu = perf_counter() - start, cpu_seconds(pid) - before
    return Round(statistics.median(seconds) * 1e6, cpu / CALLS * 1e6, CALLS / elapsed)


def compare_ways(arena: Arena, asked: Sequence[Asked], rounds: int) -> None:
    """Measures calls to the node directly and through the gateway, and prints a line each."""
    targets = {"direct": (arena.nodes[0].address, None), "gateway": (arena.address, arena.pid)}
    channels = {
        name: grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
        for name, (address, _) in targets.items()
    }
    stubs: dict[str, Any] = {name: channel.unary_unary(MODEL_INFER) for name, channel in channels.items()}
    measured: dict[str, list[Round]] = {name: [] for name in targets}
    for turn in range(rounds + 1):
        for name in random.sample(list(targets), len(targets)):
            each = measure_way(stubs[name], arena.api_key, asked, targets[name][1])
            if turn:  # the first is to be warm
                measured[name].append(each)
    print("way        in flight   p50 us   CPU us  calls/s")
    for name, each_way in measured.items():
        print(f"{name:10} {1:9d} {middle(each_way)}")
    pairs = zip(measured["gateway"], measured["direct"], strict=True)
    print(f"the gateway adds {statistics.median(one.p50_us - other.p50_us for one, other in pairs):.0f} us")
    for channel in channels.values():
        channel.close()


def own_cpu_seconds() -> float:
    """Returns the CPU time of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def cpu_seconds(pid: int | None) -> float:
    """Returns the CPU time of all threads of a process; nothing for none."""
    if pid is None:
        return 0.0
    return sum(int(each.read_text().split()[0]) for each in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def main() -> None:
    """Runs the benchmark."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--rounds", type=int, default=10)
    arguments.add_argument("--floats", type=int, default=30)
    chosen = arguments.parse_args()
    contents = [struct.pack(f"<{chosen.floats}f", *range(at, at + chosen.floats)) for at in range(REQUESTS)]
    asked = [(content, echo_request(content)) for content in contents]
    with open_arena("triton", nodes=1) as arena:
        uvloop.run(compare_clients(arena.nodes[0].address, asked, chosen.rounds))
        compare_ways(arena, asked, chosen.rounds)


if __name__ == "__main__":
    main()
