"""What went live when: the live catalog and those before it, as the operations page tells them."""

from collections import deque
from collections.abc import Iterable, Mapping
from time import time_ns
from typing import Any

from gateway.catalog.snapshot import Snapshot
from gateway.experiments import Experiment
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
        "shadows": [
            {"name": shadow.name, "version": shadow.version.number, "share": shadow.share} for shadow in model.shadows
        ],
        "experiments": [describe_experiment(experiment) for experiment in model.experiments],
        "versions": sorted(model.versions),
    }


def describe_experiment(experiment: Experiment) -> Mapping[str, Any]:
    """Says what an experiment does; shares are in hundredths of a percent."""
    return {
        "name": experiment.name,
        "seed": experiment.seed,
        "running": experiment.is_running,
        "revision": experiment.revision,
        "shares": experiment.shares(),
        "tenants": sorted(experiment.tenants),
        "conditions": {each.field: sorted(each.values) for each in experiment.conditions},
        "exclusion": experiment.exclusion.group if experiment.exclusion else None,
        "halts": dict(experiment.halts),
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
        told += experiment_changes(name, old.experiments, new.experiments)
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
    return {name: version.number for name, version in model.named().items()}


def experiment_changes(name: str, old: Iterable[Experiment], new: Iterable[Experiment]) -> list[str]:
    """Says in words how the experiments of a model changed."""
    before, after = ({each.name: each for each in experiments} for experiments in (old, new))
    told = [f"{name} experiment {each} ended" for each in sorted(before.keys() - after.keys())]
    for each, experiment in sorted(after.items()):
        if each not in before or before[each] != experiment:
            shares = ", ".join(f"{arm} {share / 100:g} %" for arm, share in sorted(experiment.shares().items()))
            told.append(f"{name} experiment {each} {'runs' if experiment.is_running else 'pauses'}: {shares}")
    return told
