"""Real servers of Redis that tests start, kill, freeze and start again: one, a cluster, and a Sentinel's."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from redis import Redis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS as SLOTS
from redis.crc import key_slot
from redis.exceptions import RedisError

from tests.catalog.valkey import binary
from tests.debian_redis import debian_redis
from tests.e2e.serving import free_port

START_SECONDS = 20
SERVICE = "features"


class Server:
    """One server on a port of loopback, which stays its own when it starts again; what it holds is lost when it ends.

    Args:
        folder: Where it works, exists when it starts; several servers may share it.
        options: Of its command line, as `--requirepass secret`; an earlier one is overruled by a later one.
        debian: Whether it is Redis 7.0 of Debian, and not Valkey.

    Attributes:
        port: Where it listens.
        process: What runs, or None.
    """

    def __init__(self, folder: Path, *options: str, debian: bool = False) -> None:
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self._folder, self._options = folder, options
        self._program, self._environment = debian_redis() if debian else (binary(), dict(os.environ))

    @property
    def url(self) -> str:
        """Its address, without user and password."""
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts it, and waits until it takes connections."""
        command = [self._program, *self._arguments()]
        self.process = subprocess.Popen(
            command, cwd=self._folder, env=self._environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
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
        client: Any = Redis(host="127.0.0.1", port=self.port, socket_timeout=5, **options)
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
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
        except OSError:
            return False

    def _arguments(self) -> list[str]:
        return ["--bind", "127.0.0.1", "--port", str(self.port), "--save", "", *self._options]


class Cluster:
    """Servers that share the slots.

    Attributes:
        primaries: Each has its share of the slots in the beginning, in order.
        replicas: One for each of the first primaries.
    """

    def __init__(self, primaries: Sequence[Server], replicas: Sequence[Server]) -> None:
        self.primaries = list(primaries)
        self.replicas = list(replicas)

    @property
    def url(self) -> str:
        """Address of the cluster, as the gateway has it."""
        return f"redis+cluster://{','.join(f'127.0.0.1:{each.port}' for each in self.primaries)}"

    def join(self) -> None:
        """Gives out the slots, and waits until all servers agree."""
        share = -(-SLOTS // len(self.primaries))
        for index, server in enumerate(self.primaries):
            server.do("CLUSTER ADDSLOTSRANGE", index * share, min((index + 1) * share, SLOTS) - 1)
            server.do("CLUSTER SET-CONFIG-EPOCH", index + 1)
        servers = [*self.primaries, *self.replicas]
        for server in servers[1:]:
            server.do("CLUSTER MEET", "127.0.0.1", self.primaries[0].port, bus_port(self.primaries[0]))
        for server in servers:
            wait_until(lambda server=server: len(nodes(server)) == len(servers) and settled(server))  # type: ignore[misc]
        for primary, replica in zip(self.primaries, self.replicas, strict=False):
            replica.do("CLUSTER REPLICATE", primary.do("CLUSTER MYID").decode())
            wait_until(lambda replica=replica: replica.do("ROLE")[3] == b"connected")  # type: ignore[misc]
        for server in servers:
            wait_until(lambda server=server: settled(server))  # type: ignore[misc]

    def owner(self, key: str) -> Server:
        """Returns the primary that had a key in the beginning, whether or not it runs."""
        return self.primaries[key_slot(key.encode()) // -(-SLOTS // len(self.primaries))]


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
        return f"redis+sentinel://{','.join(f'127.0.0.1:{each.port}' for each in self.sentinels)}/{SERVICE}"

    def fail_over(self) -> None:
        """Lets the replica and the primary change places, and waits until they have."""
        wait_until(lambda: bool(self.sentinels[0].do("SENTINEL FAILOVER", SERVICE)))
        wait_until(lambda: self.replica.do("ROLE")[0] == b"master" and self.primary.do("ROLE")[0] == b"slave")


@contextmanager
def redis_server(folder: Path, *options: str, debian: bool = False) -> Iterator[Server]:
    """Runs a Valkey, or Redis 7.0 of Debian."""
    server = Server(folder, *options, debian=debian)
    server.start()
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def redis_cluster(
    folder: Path, *options: str, primaries: int = 3, replicas: int = 0, debian: bool = False
) -> Iterator[Cluster]:
    """Runs a cluster; a server that is away is noticed after half a second."""
    with ExitStack() as stack:
        servers = [
            stack.enter_context(redis_server(place, *cluster_options(), *options, debian=debian))
            for place in own_folders(folder, "node", primaries + replicas)
        ]
        cluster = Cluster(servers[:primaries], servers[primaries:])
        cluster.join()
        yield cluster


@contextmanager
def sentinel(folder: Path, *options: str, debian: bool = False) -> Iterator[Watched]:
    """Runs a primary, a replica and a Sentinel, which notices after half a second that the primary is away."""
    with ExitStack() as stack:
        places = own_folders(folder, "watched", 3)
        options = ("--repl-diskless-sync-delay", "0", *options)
        primary = stack.enter_context(redis_server(places[0], *options, debian=debian))
        following = ("--replicaof", f"127.0.0.1 {primary.port}", *options)
        replica = stack.enter_context(redis_server(places[1], *following, debian=debian))
        wait_until(lambda: replica.do("ROLE")[3] == b"connected")
        watcher = Sentinel(places[2], primary, debian=debian)
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
        debian: As of a server.
    """

    def __init__(self, folder: Path, primary: Server, *, debian: bool = False) -> None:
        super().__init__(folder, debian=debian)
        (folder / "sentinel.conf").write_text(
            f"port {self.port}\nbind 127.0.0.1\nsentinel monitor {SERVICE} 127.0.0.1 {primary.port} 1\n"
            f"sentinel down-after-milliseconds {SERVICE} 500\nsentinel failover-timeout {SERVICE} 1000\n"
        )

    def _arguments(self) -> list[str]:
        return ["sentinel.conf", "--sentinel"]


def cluster_options() -> list[str]:
    """Returns the options of a node, whose bus has a port of its own."""
    return [
        *("--cluster-enabled", "yes", "--cluster-port", str(free_port()), "--cluster-node-timeout", "500"),
        *("--cluster-require-full-coverage", "no", "--repl-diskless-sync-delay", "0"),
    ]


def own_folders(folder: Path, name: str, number: int) -> list[Path]:
    """Makes folders."""
    places = [folder / f"{name}-{index}" for index in range(number)]
    for place in places:
        place.mkdir(parents=True)
    return places


def nodes(server: Server) -> Sequence[object]:
    """Returns what a server knows of those of its cluster."""
    found: dict[str, object] = server.do("CLUSTER NODES")
    return list(found.values())


def settled(server: Server) -> bool:
    """Says whether a server knows all of its cluster, and that every slot is served."""
    state: dict[str, str] = server.do("CLUSTER INFO")
    known: dict[str, dict[str, Any]] = server.do("CLUSTER NODES")
    handshakes = any("handshake" in node["flags"] for node in known.values())
    return state["cluster_state"] == "ok" and state["cluster_slots_ok"] == str(SLOTS) and not handshakes


def bus_port(server: Server) -> int:
    """Returns the port of a server's bus."""
    return int(server.do("CONFIG GET", "cluster-port")["cluster-port"])


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
