"""Reads what a catalog says of the experiments of a model."""

from collections.abc import Iterable

from erpml.catalog.v1 import catalog_pb2

from gateway.errors import CatalogError
from gateway.experiments import BUCKETS, Condition, Exclusion, Experiment, Guardrails, Slice

_SHADOW = catalog_pb2.ARM_KIND_SHADOW


def read_experiments(model: catalog_pb2.Model, faults: dict[str, str]) -> tuple[Experiment, ...]:
    """Reads the experiments of a model, in their order; why one was left out is added to the faults.

    Of two with one name the first counts.
    """
    found = dict[str, Experiment]()
    known = {arm.name for arm in model.arms if arm.kind != _SHADOW}
    for message in model.experiments:
        try:
            found.setdefault(message.name, read_experiment(message, known))
        except CatalogError as error:
            faults[f"{model.name} experiment {message.name}"] = error.message
    return tuple(found.values())


def read_experiment(message: catalog_pb2.Experiment, arms: set[str]) -> Experiment:
    """Reads one experiment.

    Args:
        message: The experiment.
        arms: Names of the model's arms that may answer.

    Raises:
        CatalogError: It contradicts itself.
    """
    slices = tuple(Slice(each.arm, each.first_bucket, each.buckets) for each in message.slices)
    check_slices(slices, arms)
    return Experiment(
        name=message.name,
        seed=message.seed,
        is_running=message.state == catalog_pb2.EXPERIMENT_STATE_RUNNING,
        slices=slices,
        tenants=frozenset(message.tenants),
        conditions=tuple(Condition(each.field, frozenset(each.values)) for each in message.conditions),
        exclusion=read_exclusion(message),
        guardrails=read_guardrails(message),
        revision=message.revision,
        halts={each.arm: each.reason for each in message.halts},
    )


def check_slices(slices: Iterable[Slice], arms: set[str]) -> None:
    """Checks that every bucket has one arm of the model.

    Raises:
        CatalogError: It is not so.
    """
    ordered, next_bucket = sorted(slices, key=lambda each: each.first), 0
    for each in ordered:
        if each.first != next_bucket or not each.count:
            raise CatalogError(f"its slices leave out or repeat buckets at {next_bucket}; publish again")
        if each.arm not in arms:
            raise CatalogError(f"its arm '{each.arm}' is none of the model; publish again")
        next_bucket += each.count
    if next_bucket != BUCKETS:
        raise CatalogError(f"its slices have {next_bucket} buckets and not {BUCKETS}; publish again")


def read_exclusion(message: catalog_pb2.Experiment) -> Exclusion | None:
    """Reads what keeps an experiment apart from others.

    Raises:
        CatalogError: It names buckets that there are not.
    """
    if not message.HasField("exclusion"):
        return None
    found = message.exclusion
    if not found.buckets or found.first_bucket + found.buckets > BUCKETS:
        raise CatalogError(f"its part of group '{found.group}' must lie within {BUCKETS} buckets; publish again")
    return Exclusion(found.group, found.first_bucket, found.buckets)


def read_guardrails(message: catalog_pb2.Experiment) -> Guardrails | None:
    """Reads when an arm loses its share."""
    if not message.HasField("guardrails"):
        return None
    found = message.guardrails
    return Guardrails(found.error_rate, found.latency_ratio, found.score_shift, found.window_seconds, found.least_calls)
