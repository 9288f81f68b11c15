"""What is known of one model before a call of it comes: its tables, and who answers which pin."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from gateway.experiments import Halted
from gateway.routing.tables import Table, compile_tables
from gateway.types import PINNED, Arm, Assignment, Model, ModelVersion


@dataclass(frozen=True, slots=True)
class Plan:
    """One model, ready to be asked who answers.

    Attributes:
        champion: Who answers what no experiment takes.
        tables: Its running experiments, in the order in which they are asked.
        versions: Who answers callers that pin a version, by its number.
        names: Who answers callers that pin an arm or a version in their metadata, by its name or number.
    """

    champion: Arm
    tables: tuple[Table, ...]
    versions: dict[int, Arm]
    names: dict[str, Arm]

    def challengers(self) -> Iterator[Arm]:
        """Yields the arms that have a share of an experiment's calls beside the champion."""
        arms = (arm for table in self.tables for arm in table.arms)
        return (arm for arm in arms if arm.version is not self.champion.version)


def compile_plan(model: Model, halted: Collection[Halted] = frozenset()) -> Plan:
    """Compiles one model.

    Args:
        model: The model.
        halted: Arms that guardrails have found at fault.
    """
    champion = replace(model.arms[0], shadows=model.shadows)
    names = {name: pinned(name, version) for name, version in model.named().items()}
    versions = {number: pinned(PINNED, version) for number, version in model.versions.items()}
    versions |= {arm.version.number: arm for arm in reversed(names.values())}  # the champion's name before others
    names |= {str(number): arm for number, arm in versions.items()}
    return Plan(champion, compile_tables(model, champion, halted), versions, names)


def pinned(name: str, version: ModelVersion) -> Arm:
    """Returns who answers a caller that asks for it."""
    return Arm(name, version, assignment=Assignment.PINNED)
