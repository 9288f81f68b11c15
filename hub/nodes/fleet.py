"""All nodes that settings name: a pool without accelerators, a pool with GPUs."""

import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from erpml.catalog.v1 import catalog_pb2

from hub.nodes.node import Node
from hub.nodes.triton import TritonNode
from hub.placement import Placement

_PORT = 8001  # Triton's own for gRPC


@dataclass(frozen=True, slots=True)
class Fleet:
    """The nodes by pool; one may be in both. Without any, gateways run the models themselves."""

    cpu: tuple[Node, ...] = ()
    gpu: tuple[Node, ...] = ()

    def pool(self, placement: Placement) -> tuple[Node, ...]:
        """Returns the nodes for models of one placement."""
        return self.gpu if placement == catalog_pb2.PLACEMENT_GPU else self.cpu

    def placements(self) -> frozenset[Placement]:
        """Returns the placements that have nodes."""
        return frozenset(each for each in (catalog_pb2.PLACEMENT_CPU, catalog_pb2.PLACEMENT_GPU) if self.pool(each))

    def nodes(self) -> list[Node]:
        """Returns every node once."""
        return list({node.address: node for node in (*self.cpu, *self.gpu)}.values())


@contextmanager
def open_fleet(cpu: Iterable[str], gpu: Iterable[str]) -> Iterator[Fleet]:
    """Resolves names and connects; closes the connections afterwards."""
    with ExitStack() as stack:
        nodes: dict[str, TritonNode] = {}

        def connect(entries: Iterable[str]) -> Iterator[Node]:
            for address in dict.fromkeys(address for entry in entries for address in resolve(entry)):
                if address not in nodes:
                    nodes[address] = TritonNode(address)
                    stack.callback(nodes[address].close)
                yield nodes[address]

        yield Fleet(tuple(connect(cpu)), tuple(connect(gpu)))


def resolve(entry: str) -> list[str]:
    """Returns the addresses behind `host:port` or `host`, in order: those of IPv4, or else those of IPv6.

    A name that nobody knows stands for itself, and for a node that is down.
    """
    host, port = _split(entry)
    for family, form in ((socket.AF_INET, "{}:{}"), (socket.AF_INET6, "[{}]:{}")):
        try:
            found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError):  # the latter for a name that cannot be one
            continue
        return sorted({form.format(address[0], port) for *_, address in found})
    return [f"{host}:{port}"]


def _split(entry: str) -> tuple[str, int]:
    host, colon, port = entry.rpartition(":")
    if not colon or entry.endswith("]"):
        host, port = entry, str(_PORT)
    return host.strip("[]"), int(port)
