"""Experiments in the catalog's words. No I/O."""

from collections.abc import Iterable

from erpml.catalog.v1 import catalog_pb2

from hub.experiments.buckets import Slice
from hub.experiments.design import State
from hub.experiments.reading import Halt, Wanted

_STATES = {
    State.RUNNING: catalog_pb2.EXPERIMENT_STATE_RUNNING,
    State.PAUSED: catalog_pb2.EXPERIMENT_STATE_PAUSED,
}


def compose_experiment(wanted: Wanted, slices: Iterable[Slice]) -> catalog_pb2.Experiment:
    """Returns an experiment that runs or pauses."""
    design = wanted.design
    experiment = catalog_pb2.Experiment(
        name=wanted.name,
        seed=design.seed,
        state=_STATES[design.state],
        slices=compose_slices(slices),
        tenants=design.tenants,
        conditions=[catalog_pb2.Condition(field=field, values=values) for field, values in design.conditions.items()],
        revision=wanted.revision,
        halts=[compose_halt(halt) for halt in wanted.halts],
    )
    if design.exclusion:
        apart = design.exclusion
        experiment.exclusion.MergeFrom(
            catalog_pb2.Exclusion(group=apart.group, first_bucket=apart.first, buckets=apart.buckets)
        )
    if design.guardrails:
        experiment.guardrails.MergeFrom(catalog_pb2.Guardrails(**design.guardrails.model_dump()))
        experiment.guardrails.SetInParent()
    return experiment


def compose_slices(slices: Iterable[Slice]) -> list[catalog_pb2.Slice]:
    """Returns slices in the catalog's words."""
    return [catalog_pb2.Slice(arm=each.arm, first_bucket=each.first, buckets=each.count) for each in slices]


def read_slices(experiment: catalog_pb2.Experiment) -> tuple[Slice, ...]:
    """Returns who has which buckets."""
    return tuple(Slice(each.arm, each.first_bucket, each.buckets) for each in experiment.slices)


def find_experiment(model: catalog_pb2.Model | None, name: str) -> catalog_pb2.Experiment | None:
    """Returns an experiment that is live of a model."""
    return next((each for each in model.experiments if each.name == name), None) if model else None


def compose_halt(halt: Halt) -> catalog_pb2.Halt:
    """Returns an arm that has lost its share."""
    message = catalog_pb2.Halt(arm=halt.arm, reason=halt.reason)
    message.at.FromDatetime(halt.at)
    return message
