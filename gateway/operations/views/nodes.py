"""Nodes and lanes, as all processes together see them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gateway.operations.history import Window
from gateway.operations.look import Look
from gateway.operations.states import LaneState, NodeState, State
from gateway.telemetry.families import TRIES


@dataclass(frozen=True, slots=True)
class NodeLine:
    """A node for one model version.

    Attributes:
        address: Of the node.
        model: Registered name.
        version: Of the model.
        views: What each process says of it.
        answered: Batches a second that it answered.
        faults: Batches a second that it did not.
    """

    address: str
    model: str
    version: int
    views: list[NodeState]
    answered: float
    faults: float

    @property
    def ready(self) -> int:
        """Processes that send it calls."""
        return sum(view.ready and not view.ejected for view in self.views)

    @property
    def health(self) -> str:
        """How it is: `ready`, `ejected`, `away`, or `mixed` where processes differ."""
        told = {"ejected" if view.ejected else "ready" if view.ready else "away" for view in self.views}
        return told.pop() if len(told) == 1 else "mixed"

    @property
    def outstanding(self) -> int:
        """Rows at it."""
        return sum(view.outstanding_rows for view in self.views)

    @property
    def latency(self) -> float | None:
        """Mean of what processes measure, in seconds."""
        known = [view.latency_seconds for view in self.views if view.latency_seconds is not None]
        return sum(known) / len(known) if known else None

    @property
    def problems(self) -> list[str]:
        """What is wrong, each once."""
        return list(dict.fromkeys(view.problem for view in self.views if view.problem))


@dataclass(frozen=True, slots=True)
class LaneLine:
    """A lane, summed over all processes."""

    model: str
    version: int
    waiting_rows: int
    under_way: int
    slots: float
    refused: int
    expired: int
    cancelled: int
    retried: int
    batches: int
    rows: int


def show(look: Look) -> dict[str, Any]:
    """Returns nodes, lanes and processes."""
    return {"nodes": nodes_of(look.states, look.window), "lanes": lanes_of(look.states), "states": look.states}


def nodes_of(states: Iterable[State], window: Window | None) -> list[NodeLine]:
    """Returns a line for each node and model version, by their names."""
    views: dict[tuple[str, str, int], list[NodeState]] = {}
    for state in states:
        for node in state.nodes:
            views.setdefault((node.address, node.model, node.version), []).append(node)
    tries = tries_in(window) if window else {}
    return [
        NodeLine(*key, found, tries.get((*key, "answered"), 0.0), tries.get((*key, "fault"), 0.0))
        for key, found in sorted(views.items())
    ]


def tries_in(window: Window) -> dict[tuple[str, str, int, str], float]:
    """Returns how many batches a second were sent, by node, model, version and what became of them."""
    found: dict[tuple[str, str, int, str], float] = {}
    for (node, model, version, outcome), place in window.after.places[TRIES.name].items():
        if place < len(window.values) and version.isdecimal() and window.seconds:
            found[node, model, int(version), outcome] = float(window.values[place]) / window.seconds
    return found


def lanes_of(states: Iterable[State]) -> list[LaneLine]:
    """Returns a line for each lane, by its name."""
    found: dict[tuple[str, int], list[LaneState]] = {}
    for state in states:
        for lane in state.lanes:
            found.setdefault((lane.model, lane.version), []).append(lane)
    names = ("waiting_rows", "under_way", "slots", "refused", "expired", "cancelled", "retried", "batches", "rows")
    return [
        LaneLine(*key, *(sum(getattr(lane, name) for lane in lanes) for name in names))
        for key, lanes in sorted(found.items())
    ]
