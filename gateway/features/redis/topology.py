"""Which servers a Redis Cluster has, and which slot is whose: looked up every second, and soon after a surprise."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from redis.crc import REDIS_CLUSTER_HASH_SLOTS
from redis.exceptions import RedisError, ResponseError

from gateway.features.redis.addresses import Place
from gateway.features.redis.door import Door
from gateway.features.redis.lookout import Lookout
from gateway.features.redis.node import Node
from gateway.features.redis.slots import read_slots
from gateway.features.redis.wire import pack
from gateway.redis_connection import Standing, explain

SLOTS = pack("CLUSTER", "SLOTS")


class Topology:
    """The servers.

    Args:
        door: Opens connections.
        places: Where some of them are.
        news: Is set when there are others, or one comes within reach or gets out of it.

    Attributes:
        owners: The primary of each slot, or None.
        lookout: Looks them up.
    """

    def __init__(self, door: Door, places: Sequence[Place], news: asyncio.Event) -> None:
        self.owners: list[Node | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        self.lookout = Lookout(self._look)
        self._door, self._seeds, self._news = door, tuple(places), news
        self._nodes: dict[Place, Node] = {}
        self._primaries: frozenset[Place] = frozenset()
        self._leaving: frozenset[Place] = frozenset()
        told = ", ".join(map(str, places))
        self._standing = Standing(told, "servers of the cluster are not known", "servers of the cluster are known")

    def primaries(self) -> Sequence[Node]:
        """Returns the servers that have slots."""
        self.lookout.start()
        return tuple(self._nodes[place] for place in self._primaries)

    def node(self, place: Place) -> Node:
        """Returns a server, whose connections are being opened if it is new."""
        node = self._nodes.get(place)
        if node is None:
            node = self._nodes[place] = Node(self._door, place, self._news)
            node.start()
        return node

    async def close(self) -> None:
        """Closes the connections."""
        await self.lookout.close()
        await asyncio.gather(*(node.close() for node in self._nodes.values()))

    async def _look(self) -> bool:
        """Asks who has which slot; says whether all of those can be reached."""
        slots = await self._ask()
        if slots is None:
            return False
        primaries = frozenset(slots.values())
        nodes = {place: self.node(place) for place in primaries}
        self.owners = [nodes.get(slots[slot]) if slot in slots else None for slot in range(REDIS_CLUSTER_HASH_SLOTS)]
        if primaries != self._primaries:
            self._primaries = primaries
            self._news.set()
        await self._retire()
        return all(node.up for node in nodes.values())

    async def _retire(self) -> None:
        """Closes the connections to servers that had no slots at the last look either."""
        idle = frozenset(self._nodes) - self._primaries
        gone, self._leaving = idle & self._leaving, idle
        await asyncio.gather(*(self._nodes.pop(place).close() for place in gone))

    async def _ask(self) -> Mapping[int, Place] | None:
        """Returns where each slot is, as the first server that answers has it; None where none does."""
        reason = "unreachable", "none was asked"
        up = [place for place, node in self._nodes.items() if node.up]
        for place in dict.fromkeys((*up, *self._seeds)):
            try:
                answer = await self._ask_one(place)
            except (OSError, RedisError) as error:
                reason = explain(error)
                continue
            self._standing.tell("", "")
            return read_slots(answer, place)
        self._standing.tell(*reason)
        return None

    async def _ask_one(self, place: Place) -> Any:
        """Asks one server who has which slot.

        Raises:
            OSError: It does not answer.
            ResponseError: It refuses.
        """
        node = self._nodes.get(place)
        if node is not None and node.up:
            (answer,) = await node.ask(SLOTS, 1, self._door.answer_seconds)
        else:
            wire = await self._door.open(place)
            try:
                (answer,) = await wire.ask(SLOTS, 1, self._door.answer_seconds)
            finally:
                wire.close()
        if isinstance(answer, ResponseError):
            raise answer
        return answer
