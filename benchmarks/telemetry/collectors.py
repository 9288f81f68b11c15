"""Collectors that behave well or badly, each in a process of its own, which says how many requests it answered."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any, NoReturn

import grpc

HEALTHY, SLOW, REFUSING, SILENT, ABSENT = "healthy", "slow", "refusing", "silent", "absent"
SLOW_SECONDS = 2.0
STOP_SECONDS = 10.0
THREADS = 4


@dataclass(slots=True)
class Collector:
    """A collector that runs, or an address where none does.

    Attributes:
        endpoint: Its URL.
        answered: Requests that it has answered; known once it has ended.
    """

    endpoint: str
    answered: int = 0


class Receiver(grpc.GenericRpcHandler):
    """Answers whatever method is called with an empty message, or not at all.

    Args:
        delay_seconds: Before an answer.
        code: What to refuse with, if not OK.
    """

    def __init__(self, delay_seconds: float, code: grpc.StatusCode) -> None:
        self._delay_seconds = delay_seconds
        self._code = code
        self.answered = count()

    def service(self, handler_call_details: Any) -> Any:  # noqa: ARG002 - one for all
        """Returns the handler."""
        return grpc.unary_unary_rpc_method_handler(self._answer)

    def _answer(self, request: bytes, context: Any) -> bytes:  # noqa: ARG002 - nobody reads it
        time.sleep(self._delay_seconds)
        next(self.answered)
        if self._code is not grpc.StatusCode.OK:
            context.abort(self._code, "this collector takes nothing")
        return b""


@contextmanager
def running_collector(kind: str) -> Iterator[Collector]:
    """Runs a collector of a kind."""
    if kind == ABSENT:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        yield Collector(f"http://127.0.0.1:{port}")
        return
    command = [sys.executable, "-m", "benchmarks.telemetry.collectors", kind]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own command
    assert process.stdout is not None
    collector = Collector(f"http://127.0.0.1:{process.stdout.readline().strip()}")
    try:
        yield collector
    finally:
        process.terminate()
        told, _ = process.communicate(timeout=STOP_SECONDS)
        collector.answered = int(told)


def receive(delay_seconds: float = 0.0, code: grpc.StatusCode = grpc.StatusCode.OK) -> NoReturn:
    """Receives until SIGTERM."""
    receiver = Receiver(delay_seconds, code)
    server = grpc.server(ThreadPoolExecutor(THREADS), handlers=[receiver])
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    signal.sigwait({signal.SIGTERM})
    server.stop(0).wait()
    print(next(receiver.answered), flush=True)
    raise SystemExit


def listen_in_silence() -> NoReturn:
    """Lets everybody connect, and says nothing, until SIGTERM."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        print(server.getsockname()[1], flush=True)
        signal.sigwait({signal.SIGTERM})
    print(0, flush=True)
    raise SystemExit


KINDS: dict[str, Callable[[], NoReturn]] = {
    HEALTHY: receive,
    SLOW: lambda: receive(SLOW_SECONDS),
    REFUSING: lambda: receive(code=grpc.StatusCode.UNAVAILABLE),
    SILENT: listen_in_silence,
}


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # for every thread that follows
    KINDS[sys.argv[1]]()
