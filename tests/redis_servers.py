"""Real servers of Redis that tests start, kill, freeze and start again: one, a cluster, and a Sentinel's."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

from redis.crc import REDIS_CLUSTER_HASH_SLOTS as SLOTS
from redis.crc import key_slot

from benchmarks import redis_servers
from benchmarks.redis_servers import SERVICE, Program, Server, Watched, own_folders, wait_until
from tests.debian_redis import debian_redis
from tests.e2e.serving import free_port

__all__ = [
    "SERVICE",
    "Cluster",
    "Server",
    "Watched",
    "redis_cluster",
    "redis_server",
    "sentinel",
    "settled",
    "wait_until",
]


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


def program_of(debian: bool) -> Program | None:  # noqa: FBT001 - as tests are parametrised
    """Returns Redis 7.0 of Debian, or nothing for Valkey."""
    return Program(*debian_redis()) if debian else None


def redis_server(folder: Path, *options: str, debian: bool = False) -> AbstractContextManager[Server]:
    """Runs a Valkey, or Redis 7.0 of Debian."""
    return redis_servers.redis_server(folder, *options, program=program_of(debian))


def sentinel(folder: Path, *options: str, debian: bool = False) -> AbstractContextManager[Watched]:
    """Runs a primary, a replica and a Sentinel, which notices after half a second that the primary is away."""
    return redis_servers.sentinel(folder, *options, program=program_of(debian))


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


def cluster_options() -> list[str]:
    """Returns the options of a node, whose bus has a port of its own."""
    return [
        *("--cluster-enabled", "yes", "--cluster-port", str(free_port()), "--cluster-node-timeout", "500"),
        *("--cluster-require-full-coverage", "no", "--repl-diskless-sync-delay", "0"),
    ]


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
