"""What the guard is told by the worker beside which it runs: lines of JSON, first its order, then what is live.

It is told at its input, and not by its command line, since the URL of Redis may hold a password.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from gateway.experiments import Experiment, Guardrails, Halted
from gateway.types import Model


@dataclass(frozen=True, slots=True)
class Order:
    """What never changes for a guard.

    Attributes:
        telemetry: Folder of the sheets.
        verdicts: Folder of the verdicts.
        redis: URL of the Redis that has verdicts too, or None.
        key: Key of the verdicts there.
        level: Lowest level that is logged.
    """

    telemetry: str
    verdicts: str
    redis: str | None
    key: str
    level: str


@dataclass(frozen=True, slots=True)
class Charge:
    """An experiment that is live.

    Attributes:
        model: Registered name.
        experiment: Its name.
        revision: Changes with every decision about it.
        champion: Name of the champion.
        versions: Number of the version of each arm of the model, by name.
        watched: Names of the arms that are watched; none while it pauses or has no guardrails.
        limits: What is allowed; None where nothing is watched.
    """

    model: str
    experiment: str
    revision: str
    champion: str
    versions: dict[str, int]
    watched: tuple[str, ...] = ()
    limits: Guardrails | None = None

    def halted(self, arm: str) -> Halted:
        """Returns how an arm is told that is at fault."""
        return Halted(self.model, self.experiment, arm, self.versions.get(arm, 0), self.revision)


@dataclass(frozen=True, slots=True)
class Charges:
    """What is live.

    Attributes:
        models: Names of models, of those without experiments too.
        experiments: Their experiments, by the names of both.
    """

    models: frozenset[str] = frozenset()
    experiments: Mapping[tuple[str, str], Charge] = field(default_factory=dict)

    @property
    def watched(self) -> bool:
        """Whether any arm is watched."""
        return any(charge.watched for charge in self.experiments.values())

    def is_void(self, halted: Halted) -> bool:
        """Says whether a verdict does not count any more; one on a model that is not live is kept for its return."""
        charge = self.experiments.get((halted.model, halted.experiment))
        return halted.model in self.models and (charge is None or halted != charge.halted(halted.arm))


def charges_of(models: Mapping[str, Model]) -> Charges:
    """Returns what has to be known of live models."""
    found = [charge_of(model, experiment) for model in models.values() for experiment in model.experiments]
    return Charges(frozenset(models), {(each.model, each.experiment): each for each in found})


def charge_of(model: Model, experiment: Experiment) -> Charge:
    """Returns what has to be known of an experiment: its arms that have a share are watched, but for the champion."""
    versions = {arm.name: arm.version.number for arm in model.arms}
    named = model.name, experiment.name, experiment.revision, model.champion.name, versions
    if not experiment.is_running or experiment.guardrails is None:
        return Charge(*named)
    watched = experiment.shares().keys() & versions.keys() - experiment.halts.keys() - {model.champion.name}
    return Charge(*named, tuple(sorted(watched)), experiment.guardrails)


def write_order(order: Order) -> bytes:
    """Returns the first line."""
    return json.dumps(asdict(order)).encode() + b"\n"


def write_charges(charges: Charges) -> bytes:
    """Returns the line of what is live."""
    told = {"models": sorted(charges.models), "experiments": list(map(asdict, charges.experiments.values()))}
    return json.dumps(told, separators=(",", ":")).encode() + b"\n"


def read_order(line: bytes) -> Order:
    """Reads the first line."""
    return Order(**json.loads(line))


def read_charges(line: bytes) -> Charges:
    """Reads any other line."""
    told = json.loads(line)
    found = list(map(read_charge, told["experiments"]))
    return Charges(frozenset(told["models"]), {(each.model, each.experiment): each for each in found})


def read_charge(told: dict[str, Any]) -> Charge:
    """Reads an experiment."""
    limits = Guardrails(**told["limits"]) if told["limits"] else None
    return Charge(**{**told, "watched": tuple(told["watched"]), "limits": limits})
