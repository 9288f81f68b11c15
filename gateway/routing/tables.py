"""Compiles an experiment into a table: a choice is one look."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from gateway.experiments import Condition, Exclusion, Experiment, Halted
from gateway.routing.hashing import Mix, group_seed, mix_of
from gateway.types import Arm, Assignment, Model


class Part(NamedTuple):
    """What of an exclusion group an experiment takes.

    Attributes:
        first: The lowest bucket.
        end: The first bucket above.
        mix: The function of the group's seed.
    """

    first: int
    end: int
    mix: Mix


@dataclass(frozen=True, slots=True)
class Table:
    """An experiment, ready to be asked.

    Attributes:
        tenants: Whose calls it takes; all where there are none.
        conditions: What else must be true of a call that it takes.
        part: What of its group it takes; None for all units.
        mix: The function of the experiment's seed.
        ends: Where the slices end, ascending: the first bucket behind each.
        arms: Of each slice, the arm that units have.
        drawn: The same for calls without unit.
        substitute: The champion in the place of an arm that cannot answer.
    """

    tenants: frozenset[str]
    conditions: tuple[Condition, ...]
    part: Part | None
    mix: Mix
    ends: tuple[int, ...]
    arms: tuple[Arm, ...]
    drawn: tuple[Arm, ...]
    substitute: Arm


def compile_tables(model: Model, champion: Arm, halted: Collection[Halted]) -> tuple[Table, ...]:
    """Compiles the running experiments of a model, in their order.

    Args:
        model: The model.
        champion: Who answers what no experiment takes.
        halted: Arms that guardrails have found at fault: the champion has their buckets.
    """
    arms = {arm.name: arm for arm in model.arms} | {champion.name: champion}
    return tuple(
        compile_table(model.name, experiment, arms, champion, halted)
        for experiment in model.experiments
        if experiment.is_running
    )


def compile_table(
    model: str, experiment: Experiment, arms: Mapping[str, Arm], champion: Arm, halted: Collection[Halted]
) -> Table:
    """Compiles one experiment; an arm whose version was left out has the champion in its place."""
    substitute = replace(champion, experiment=experiment.name, assignment=Assignment.SUBSTITUTED)
    slices = sorted(experiment.slices, key=lambda each: each.first)
    lost = {each.arm: each for each in halted if (each.model, each.experiment) == (model, experiment.name)}
    kept = [arms.get(each.arm) for each in slices]
    kept = [champion if arm and is_lost(arm, lost.get(arm.name), experiment) else arm for arm in kept]
    by_unit, by_call = (
        tuple(replace(arm, experiment=experiment.name, assignment=how) if arm else substitute for arm in kept)
        for how in (Assignment.UNIT, Assignment.CALL)
    )
    exclusion = experiment.exclusion
    return Table(
        tenants=experiment.tenants,
        conditions=experiment.conditions,
        part=part_of(exclusion) if exclusion else None,
        mix=mix_of(experiment.seed),
        ends=tuple(each.first + each.count for each in slices),
        arms=by_unit,
        drawn=by_call,
        substitute=substitute,
    )


def part_of(exclusion: Exclusion) -> Part:
    """Compiles what an experiment takes of its group."""
    return Part(exclusion.first, exclusion.first + exclusion.count, mix_of(group_seed(exclusion.group)))


def is_lost(arm: Arm, found: Halted | None, experiment: Experiment) -> bool:
    """Says whether guardrails have found an arm at fault as it is now."""
    return found is not None and (found.version, found.revision) == (arm.version.number, experiment.revision)
