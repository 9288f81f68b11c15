"""A Redis Cluster: what one server has is asked of it at once, all servers are asked side by side."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from gapura_features.pushing import Command
from redis.exceptions import ResponseError

from gateway.features.redis.addresses import Place
from gateway.features.redis.door import Door
from gateway.features.redis.large import LargeValues
from gateway.features.redis.node import Node
from gateway.features.redis.slots import Part, part_of_command, part_of_key, read_turn
from gateway.features.redis.stores import unavailable
from gateway.features.redis.topology import Topology
from gateway.features.redis.wire import pack
from gateway.features.source import UNREAD, Found

ASKING = pack("ASKING")
OTHER_TYPE = "WRONGTYPE"
MOST_TURNS = 2
NOBODY = ConnectionResetError("no server has the slot now")
LEAST_SECONDS = 0.02  # for a server that another one has sent us to

# Sends a number of packed commands to a server.
Ask = Callable[[Node, bytes, int], Awaitable[list[Any]]]


class Cluster:
    """A store of many servers.

    Args:
        door: Opens connections.
        places: Where some of them are.
        large: Is told of keys whose answers were late.
        news: Is set when there are other servers, or one comes within reach or gets out of it.
    """

    def __init__(self, door: Door, places: Sequence[Place], large: LargeValues, news: asyncio.Event) -> None:
        self._topology = Topology(door, places, news)
        self._large, self._answer_seconds = large, door.answer_seconds

    async def read(self, keys: Sequence[str]) -> list[Found]:
        """Reads values, each by a GET: those of one server go out and come back together, as with an MGET."""
        await self._topology.lookout.settle(self._answer_seconds / 2)
        parts = [part_of_key(key) for key in keys]
        found = await self._carry_out(parts, self._asker())
        refused = [index for index, answer in enumerate(found) if isinstance(answer, Exception)]
        for index in refused:
            found[index] = self._unread(keys[index], parts[index][0], found[index])
        if not refused:
            for node in self.primaries():
                node.judge(None)
        return found

    async def measure(self, keys: Sequence[str]) -> list[object]:
        """Returns the length of each value."""
        return await self._carry_out([part_of_command(("STRLEN", key)) for key in keys], self._asker())

    async def write(self, commands: Sequence[Command]) -> list[object]:
        """Carries out commands.

        Raises:
            Unavailable: A server does not answer, or refuses.
        """
        await self._topology.lookout.settle(self._answer_seconds)
        answers = await self._carry_out([part_of_command(command) for command in commands], Node.ask_in_turn)
        for answer in answers:
            if isinstance(answer, Exception):
                raise unavailable(answer) from answer
        return answers

    async def check(self) -> bool:
        """Says whether all primaries answer."""
        await self._topology.lookout.settle(self._answer_seconds)
        nodes = self.primaries()
        return bool(nodes) and all(await asyncio.gather(*(node.check() for node in nodes)))

    def primaries(self) -> Sequence[Node]:
        """Returns the servers that have slots."""
        return self._topology.primaries()

    async def close(self) -> None:
        """Closes the connections."""
        await self._topology.close()

    def _unread(self, key: str, slot: int, error: Exception) -> Found:
        """Returns what stands for a row that was not read."""
        if isinstance(error, TimeoutError):
            self._large.suspect([key])
        elif isinstance(error, ResponseError):
            if str(error).startswith(OTHER_TYPE):
                return None
            owner = self._topology.owners[slot]
            if owner is not None:
                owner.judge(error)
        return UNREAD

    async def _carry_out(self, parts: Sequence[Part], ask: Ask) -> list[Any]:
        """Sends each part to the server of its slot, and then to where that sends it, if it does.

        Returns:
            The answer to each, or the error that kept it from coming.
        """
        answers: list[Any] = [NOBODY] * len(parts)
        owners, by_node = self._topology.owners, defaultdict[Node, list[int]](list)
        for index, (slot, _) in enumerate(parts):
            owner = owners[slot]
            if owner is not None:
                by_node[owner].append(index)
        await self._send(parts, by_node, answers, ask)
        turned = [index for index, answer in enumerate(answers) if type(answer) is ResponseError]
        for _ in range(MOST_TURNS):
            turned = await self._turn(parts, turned, answers, ask)
            if not turned:
                break
        return answers

    async def _turn(self, parts: Sequence[Part], refused: Sequence[int], answers: list[Any], ask: Ask) -> list[int]:
        """Sends parts that were refused to where their refusals say; returns those whose refusals said so."""
        turned, owners = [], self._topology.owners
        moved, asking = defaultdict[Node, list[int]](list), defaultdict[Node, list[int]](list)
        for index in refused:
            owner = owners[parts[index][0]]
            turn = None if owner is None else read_turn(answers[index], owner.place)
            if turn is not None:
                turned.append(index)
                node = self._topology.node(turn.place)
                (asking if turn.asking else moved)[node].append(index)
        if turned:
            self._topology.lookout.hurry()
            for node, indices in moved.items():
                for index in indices:
                    owners[parts[index][0]] = node
            await self._send(parts, moved, answers, ask)
            await self._send(parts, asking, answers, ask, asking=True)
        return turned

    async def _send(
        self,
        parts: Sequence[Part],
        by_node: Mapping[Node, Sequence[int]],
        answers: list[Any],
        ask: Ask,
        *,
        asking: bool = False,
    ) -> None:
        """Sends parts to their servers, side by side, and puts what they answer into its place."""
        sent = []
        for node, indices in by_node.items():
            if not node.up:
                await node.settle(self._answer_seconds / 2)
            between = ASKING if asking else b""
            packed = between + between.join([parts[index][1] for index in indices])
            sent.append(ask(node, packed, len(indices) * (1 + asking)))
        for indices, came in zip(by_node.values(), await asyncio.gather(*sent, return_exceptions=True), strict=True):
            own = came[asking :: 1 + asking] if isinstance(came, list) else [came] * len(indices)
            for index, answer in zip(indices, own, strict=True):
                answers[index] = answer

    def _asker(self) -> Ask:
        """Returns how to ask servers, beside whatever is under way: for the time of one answer, over all turns."""
        clock = asyncio.get_running_loop().time
        due = clock() + self._answer_seconds

        def ask(node: Node, packed: bytes, number: int) -> Awaitable[list[Any]]:
            return node.ask(packed, number, max(due - clock(), LEAST_SECONDS))

        return ask
