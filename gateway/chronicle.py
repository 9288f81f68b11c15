"""What went live when: the live catalog and those before it, as the operations page tells them."""

from collections import deque
from collections.abc import Mapping
from time import time_ns
from typing import Any

from gateway.catalog.snapshot import Snapshot
from gateway.types import Model

MOST = 50
MOST_CHANGES = 20


class Chronicle:
    """The catalogs that this process took live."""

    def __init__(self) -> None:
        self._live = Snapshot()
        self._since_ns = time_ns()
        self._history: deque[Mapping[str, Any]] = deque(maxlen=MOST)

    def take(self, snapshot: Snapshot) -> None:
        """Notes that a catalog is live."""
        changes = list(changes_between(self._live.models, snapshot.models))
        self._live, self._since_ns = snapshot, time_ns()
        told = changes[:MOST_CHANGES]
        if len(changes) > MOST_CHANGES:
            told.append(f"and {len(changes) - MOST_CHANGES} more")
        self._history.appendleft({"generation": snapshot.generation, "live_since_ns": self._since_ns, "changes": told})

    def describe(self) -> Mapping[str, Any]:
        """Says what is live and what was, ready for JSON."""
        live = self._live
        return {
            "generation": live.generation,
            "published_ns": live.created_ns or None,
            "live_since_ns": self._since_ns,
            "models": [describe_model(model) for _, model in sorted(live.models.items())],
            "views": sorted(live.views),
            "faults": dict(live.faults),
            "history": list(self._history),
        }


def describe_model(model: Model) -> Mapping[str, Any]:
    """Says what of a model is live."""
    return {
        "name": model.name,
        "policy": {name: list(values) for name, values in model.policy.items()},
        "arms": [{"name": arm.name, "version": arm.version.number} for arm in model.arms],
        "versions": sorted(model.versions),
    }


def changes_between(before: Mapping[str, Model], after: Mapping[str, Model]) -> list[str]:
    """Says in words what a catalog changed."""
    told = [f"{name} came" for name in sorted(after.keys() - before.keys())]
    told += [f"{name} went" for name in sorted(before.keys() - after.keys())]
    for name in sorted(before.keys() & after.keys()):
        old, new = before[name], after[name]
        told += arm_changes(name, numbers_of(old), numbers_of(new))
        if old.policy != new.policy:
            told.append(f"{name} policy changed")
        if set(old.versions) != set(new.versions):
            told.append(f"{name} versions {sorted(old.versions)} → {sorted(new.versions)}")
    return told


def arm_changes(name: str, old: Mapping[str, int], new: Mapping[str, int]) -> list[str]:
    """Says in words how the arms of a model changed."""
    told = [f"{name} {arm} {old[arm]} → {new[arm]}" for arm in old.keys() & new.keys() if old[arm] != new[arm]]
    told += [f"{name} {arm} {new[arm]} came" for arm in sorted(new.keys() - old.keys())]
    return told + [f"{name} {arm} {old[arm]} went" for arm in sorted(old.keys() - new.keys())]


def numbers_of(model: Model) -> Mapping[str, int]:
    """Returns the version of each arm."""
    return {arm.name: arm.version.number for arm in model.arms}
