"""Deployments of the real gateway, by `gapura start`, and callers that count what fails."""

import asyncio
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from erpml.finance.v1 import credit_service_pb2
from erpml.finance.v1.credit_service_pb2_grpc import CreditServiceStub
from gapura_supervisor.addresses import free_port
from gapura_supervisor.deployment import mark_of
from gapura_supervisor.processes import marked
from gapura_supervisor.state import PartState, Place

from tests.e2e.applicants import GOOD
from tests.e2e.serving import COMMAND
from tests.supervisor.deployments import ended
from tests.triton.nodes import installed_home, wait_until

SCORE = "/erpml.finance.v1.CreditService/ScoreCredit"
_NO_RETRIES = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 200),
)
_REST_SECONDS = 0.1  # while a connection is made anew every call fails at once


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment that runs.

    Attributes:
        listen: Where callers meet it.
        environment: With which commands find it.
        process: Its supervisor.
    """

    listen: str
    environment: Mapping[str, str]
    process: "subprocess.Popen[str]"

    @property
    def place(self) -> Place:
        """Where it leaves its traces."""
        return Place(Path(self.environment["GAPURA_VAR"]) / "run")

    @property
    def parts(self) -> dict[str, PartState]:
        """How the parts fare."""
        state = self.place.read_live()
        return {part.name: part for part in state.parts} if state else {}

    @property
    def workers(self) -> dict[str, PartState]:
        """How the workers fare."""
        return {name: part for name, part in self.parts.items() if name.startswith("worker-")}

    @property
    def ready(self) -> bool:
        """Whether every part is."""
        state = self.place.read_live()
        return state is not None and state.ready

    @property
    def left(self) -> list[int]:
        """Every process but the supervisor."""
        return list(marked(mark_of(self.place)))

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs `gapura`."""
        return subprocess.run([*COMMAND, *arguments], env=self.environment, capture_output=True, text=True, check=False)

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Tells it to stop; returns its status and what it said."""
        self.process.send_signal(number)
        said, _ = self.process.communicate(timeout=60)
        return self.process.returncode, said


@contextmanager
def started(environment: Mapping[str, str], *options: str) -> Iterator[Deployment]:
    """Runs `gapura start` on a free port; yields it once all is ready. Afterwards nothing of it is left."""
    listen = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [*COMMAND, "start", "--listen", listen, *options],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deployment = Deployment(listen, environment, process)
    with ended(process, deployment.place):
        wait_until(lambda: deployment.ready or process.poll() is not None, 60)
        assert process.poll() is None, process.communicate()[0]
        yield deployment


def share_triton(var: Path) -> None:
    """Lets the commands of a folder find tritonserver, which is installed once for all; their nodes are their own."""
    home = var / "triton"
    home.mkdir(exist_ok=True)  # a test that is run again finds it
    for part in ("venv", "backends"):
        (home / part).unlink(missing_ok=True)
        (home / part).symlink_to(installed_home() / part)


class Callers:
    """Callers that never try again, on connections of their own, and what became of their calls.

    Args:
        target: Whom they call.
        api_key: Their key.
        connections: How many.
        callers: On each connection, one call after the other.
        calls: After how many calls a connection is given up for a new one.
    """

    def __init__(self, target: str, api_key: str, connections: int = 4, callers: int = 4, calls: int = 10**9) -> None:
        self._target = target
        self._metadata = (("x-api-key", api_key),)
        self._shape = connections, callers, calls
        self.outcomes: Counter[str] = Counter()

    async def call_while(self, commands: "list[list[str]]", environment: Mapping[str, str]) -> list[str]:
        """Calls while commands run one after the other, and a second longer; returns what they print.

        Raises:
            AssertionError: One of them failed.
        """
        going = asyncio.Event()
        connections, callers, calls = self._shape
        tasks = [asyncio.create_task(self._connect(going, callers, calls)) for _ in range(connections)]
        await asyncio.sleep(1)
        printed = []
        for command in commands:
            process = await asyncio.create_subprocess_exec(
                *command, env=dict(environment), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
            )
            printed.append((await process.communicate())[0].decode())
            assert process.returncode == 0, printed
        await asyncio.sleep(1)
        going.set()
        await asyncio.gather(*tasks)
        return printed

    async def _connect(self, over: asyncio.Event, callers: int, calls: int) -> None:
        while not over.is_set():
            async with grpc.aio.insecure_channel(self._target, options=_NO_RETRIES) as channel:
                await asyncio.gather(*(self._call(channel, over, calls) for _ in range(callers)))

    async def _call(self, channel: grpc.aio.Channel, over: asyncio.Event, calls: int) -> None:
        score: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(SCORE)
        request = GOOD.SerializeToString()
        while calls and not over.is_set():
            calls -= 1
            try:
                await score(request, timeout=20, metadata=self._metadata)
                self.outcomes["OK"] += 1
            except grpc.aio.AioRpcError as error:
                self.outcomes[f"{error.code().name} {error.details()}"] += 1
                await asyncio.sleep(_REST_SECONDS)


def score_at(address: str, api_key: str) -> str:
    """Scores an applicant at one worker; returns the risk category, or the code of a call that failed."""
    with grpc.insecure_channel(address, options=_NO_RETRIES) as channel:
        try:
            answer = CreditServiceStub(channel).ScoreCredit(GOOD, timeout=10, metadata=(("x-api-key", api_key),))
        except grpc.RpcError as error:
            return str(error.code().name)
    return str(credit_service_pb2.RiskCategory.Name(answer.risk_category))


def seconds_until(condition: Callable[[], bool], most: float) -> float:
    """Waits for something to come true; returns how many seconds that took."""
    began = time.monotonic()
    wait_until(condition, most)
    return time.monotonic() - began
