"""What 64 callers notice when Triton nodes are killed, hang, lose a model's process, or are all gone.

    python -m benchmarks.chaos [--seconds 20]

Two real nodes under their supervisors, a gateway before them; every answer is checked. Each case lasts that many
seconds from the moment of the fault, and starts when everything is well again. It ends with status 1 when a call fails
for the fault of one node, or when calls without any node fail otherwise than by UNAVAILABLE.
"""

import argparse
import asyncio
import os
import random
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from time import monotonic

import uvloop
from gapura_triton import processes
from gapura_triton.fleet import start_node, stop_node
from gapura_triton.node import Node, read_state

from benchmarks.arena import Arena, echo_request, open_arena
from benchmarks.steady_load import SteadyLoad

ROW_BYTES = 40
REQUESTS = 64
PAUSE_SECONDS = 0.02
REST_SECONDS = 12.0  # a node that came back starts slowly for ten
GONE_SECONDS = 3.0


def server(node: Node) -> int:
    """Returns the process of a node's tritonserver."""
    pid = read_state(node).pid
    assert pid is not None
    return pid


def stub(node: Node) -> int:
    """Returns the process that runs the model on a node."""
    return next(pid for pid in processes.marked(node.mark) if pid != server(node))


def send(number: signal.Signals, find: Callable[[], int]) -> Callable[[], Callable[[], None]]:
    """Returns what sends a signal to a process that is looked up then, and returns what mends that."""

    def break_it() -> Callable[[], None]:
        pid = find()
        os.kill(pid, number)
        return partial(resume, pid)

    return break_it


def resume(pid: int) -> None:
    """Lets a stopped process go on, if it is still there."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def faults(one: Node, two: Node) -> dict[str, Callable[[], Callable[[], None]]]:
    """Returns what may happen to one of two nodes, by name: each breaks something, and returns what mends it."""
    return {
        "nothing happens": lambda: lambda: None,
        "kill -9 of one tritonserver": send(signal.SIGKILL, partial(server, one)),
        "kill -9 of one model's process": send(signal.SIGKILL, partial(stub, two)),
        "SIGSTOP of one tritonserver": send(signal.SIGSTOP, partial(server, one)),
        "SIGSTOP of one model's process": send(signal.SIGSTOP, partial(stub, two)),
    }


async def run(arena: Arena, seconds: float) -> None:
    """Goes through all cases."""
    contents = [random.Random(seed).randbytes(ROW_BYTES) for seed in range(REQUESTS)]  # noqa: S311 - no secret
    load = SteadyLoad(
        arena.address,
        [echo_request(content) for content in contents],
        lambda number, answer: "" if answer.endswith(contents[number]) else "another call's answer",
        api_key=arena.api_key,
        pause_seconds=PAUSE_SECONDS,
    )
    async with load:
        await load.during(REST_SECONDS)
        for name, break_it in faults(*arena.nodes).items():
            mend = break_it()
            seen = await load.during(seconds)
            print(f"{name:32} {seen}", flush=True)
            mend()
            assert not seen.failed, seen.problems
            await load.during(REST_SECONDS)
        for node in arena.nodes:
            await asyncio.to_thread(stop_node, node)
        await load.during(GONE_SECONDS)  # calls that were under way end
        gone = await load.during(GONE_SECONDS)
        print(f"{'both nodes are stopped':32} {gone}\n    {gone.problems.most_common(1)[0][0]}")
        assert gone.failed == gone.calls > 0
        assert all(problem.startswith("UNAVAILABLE: ") for problem in gone.problems), gone.problems
        two = arena.nodes[1]
        await asyncio.to_thread(start_node, two.folder, two.home, two.repository)
        back = monotonic()
        await load.during(GONE_SECONDS)
        first = min(call.started + call.seconds for call in load.asked if call.started > back and not call.problem)
        print(f"{'one is started':32} the first answer comes {first - back:.2f} s after it is live")


def main() -> None:
    """Runs the benchmark."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--seconds", type=float, default=20)
    chosen = arguments.parse_args()
    with open_arena("triton") as arena:
        uvloop.run(run(arena, chosen.seconds))


if __name__ == "__main__":
    main()
