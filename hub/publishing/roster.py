"""The nodes during one run: one that does not answer is noted once, and not asked again."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from hub.errors import HubError, ModelDelayedError, NodeDownError, NodeRefusedError
from hub.nodes.fleet import Fleet
from hub.nodes.node import Node
from hub.placement import Placement
from hub.publishing.handover import Versions

_Answer = TypeVar("_Answer")


@dataclass(slots=True)
class Roster:
    """Knows which nodes are there.

    Attributes:
        fleet: All nodes.
    """

    fleet: Fleet
    _absent: dict[str, HubError] = field(default_factory=dict)

    def survey(self) -> list[tuple[Node, Versions]]:
        """Asks the nodes what they serve, all at once; returns those that answer, with their answers."""

        def ask(node: Node) -> Versions | None:
            with self.noting(node):
                try:
                    return node.ready()
                except NodeRefusedError as error:  # something listens there that is no such server
                    self._absent[node.address] = error
            return None

        nodes = self._present(self.fleet.nodes())
        answers = zip(nodes, on_each(nodes, ask), strict=True)
        return [(node, versions) for node, versions in answers if versions is not None]

    def pool(self, placement: Placement) -> list[Node]:
        """Returns the nodes for models of one placement that are there.

        Raises:
            ModelDelayedError: There are such nodes, and none answers.
        """
        nodes = self.fleet.pool(placement)
        present = self._present(nodes)
        if nodes and not present:
            reasons = "; ".join(str(self._absent[node.address]) for node in nodes)
            raise ModelDelayedError(f"no node that could serve it answers ({reasons}): start one and publish again")
        return present

    def placements_of(self, node: Node) -> list[Placement]:
        """Returns the pools that a node is in."""
        return [each for each in self.fleet.placements() if node in self.fleet.pool(each)]

    def absences(self, placement: Placement) -> list[str]:
        """Says which nodes of a pool are not there."""
        missing = [self._absent[node.address] for node in self.fleet.pool(placement) if node.address in self._absent]
        back = " and loads it when it is back"
        return [f"{error}{back if isinstance(error, NodeDownError) else ''}" for error in missing]

    @contextmanager
    def noting(self, node: Node) -> Iterator[None]:
        """Notes that a node is down, instead of raising it."""
        try:
            yield
        except NodeDownError as error:
            self._absent[node.address] = error

    def _present(self, nodes: tuple[Node, ...] | list[Node]) -> list[Node]:
        return [node for node in nodes if node.address not in self._absent]


def on_each(nodes: Sequence[Node], act: Callable[[Node], _Answer]) -> list[_Answer]:
    """Acts on all nodes at the same time, and waits for all of them before the first error is raised."""
    if not nodes:
        return []
    with ThreadPoolExecutor(len(nodes)) as pool:
        return list(pool.map(act, nodes))
