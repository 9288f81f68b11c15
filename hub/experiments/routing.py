"""Decides how the calls of a live model are divided: as tags want it, where arms and freeze windows let it. No I/O."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from erpml.catalog.v1 import catalog_pb2

from hub.experiments.buckets import BUCKETS, allocate, shares
from hub.experiments.design import State
from hub.experiments.messages import compose_experiment, compose_halt, compose_slices, find_experiment, read_slices
from hub.experiments.reading import Halt, Reading, Wanted
from hub.experiments.tags import DEFAULT
from hub.experiments.words import describe_weights
from hub.registry.records import CHAMPION

# Returns why an experiment may not give more calls to challengers for the time being; None where it may.
Hold = Callable[[Wanted], str | None]


@dataclass(frozen=True, slots=True)
class Routed:
    """How the calls of a model are divided from now on.

    Attributes:
        model: What the catalog shall say of it.
        held: Why experiments are not as they shall be yet, by name.
        lacking: What experiments have to do without, by name.
    """

    model: catalog_pb2.Model
    held: Mapping[str, str]
    lacking: Mapping[str, str]


def route(live: catalog_pb2.Model, reading: Reading, hold: Hold) -> Routed:
    """Returns a live model as tags want its calls to be divided.

    An experiment with a fault stays as it is live. An arm that is not loaded leaves its share to the champion.

    Args:
        live: What the catalog says of it.
        reading: What tags say.
        hold: Is asked about experiments that give more calls to challengers.
    """
    arms = {arm.name for arm in live.arms}
    held, lacking, found = dict[str, str](), dict[str, str](), dict[str, catalog_pb2.Experiment]()
    for name in reading.faults:
        before = find_experiment(live, name)
        if before is not None:
            found[name] = _stopped(before, arms, *reading.halted.get(name, ((), before.revision)))
    for wanted in reading.wanted:
        if missing := {arm: weight for arm, weight in wanted.weights.items() if weight and arm not in arms}:
            lacking[wanted.name] = f"no version is loaded for {describe_weights(missing)}: the champion has that share"
        before = find_experiment(live, wanted.name)
        after = _compose(wanted, before, arms)
        reason = hold(wanted) if after is not None and gains(before, after) else None
        if reason is not None:
            held[wanted.name] = reason
            after = _restrain(before, after)
        if after is not None:
            found[wanted.name] = after
    model = catalog_pb2.Model()
    model.CopyFrom(live)
    _set_experiments(model, found)
    if DEFAULT not in reading.faults:
        for arm in model.arms:
            shadow = arm.kind == catalog_pb2.ARM_KIND_SHADOW
            arm.mirrored_basis_points = reading.mirrored.get(arm.name, BUCKETS) if shadow else 0
    return Routed(model, held, lacking)


def carry_over(model: catalog_pb2.Model, live: catalog_pb2.Model | None) -> None:
    """Divides the calls of a model whose arms change as before; arms that go leave their share to the champion."""
    if live is None:
        return
    arms = {arm.name for arm in model.arms}
    _set_experiments(model, {each.name: _without(each, arms) for each in live.experiments})
    mirrored = {arm.name: arm.mirrored_basis_points for arm in live.arms}
    for arm in model.arms:
        arm.mirrored_basis_points = mirrored.get(arm.name, 0)


def gains(before: catalog_pb2.Experiment | None, after: catalog_pb2.Experiment | None) -> bool:
    """Whether a challenger gets calls that it did not get before."""
    old, new = _running(before), _running(after)
    aimed = before is not None and after is not None and _aim(before) == _aim(after)
    return any(count > (old.get(arm, 0) if aimed else 0) for arm, count in new.items())


def _running(experiment: catalog_pb2.Experiment | None) -> dict[str, int]:
    """Returns the shares of challengers; none where it does not divide calls."""
    if experiment is None or experiment.state != catalog_pb2.EXPERIMENT_STATE_RUNNING:
        return {}
    return _challengers(experiment)


def _challengers(experiment: catalog_pb2.Experiment) -> dict[str, int]:
    return {arm: count for arm, count in shares(read_slices(experiment)).items() if arm != CHAMPION}


def _aim(experiment: catalog_pb2.Experiment) -> tuple[object, ...]:
    """What decides which calls it takes."""
    conditions = [(each.field, tuple(each.values)) for each in experiment.conditions]
    apart = experiment.exclusion.SerializeToString(deterministic=True)
    return experiment.seed, tuple(experiment.tenants), conditions, apart


def _compose(
    wanted: Wanted, before: catalog_pb2.Experiment | None, arms: Collection[str]
) -> catalog_pb2.Experiment | None:
    if wanted.design.state is State.CREATED:
        return None
    known = read_slices(before) if before is not None and before.seed == wanted.design.seed else wanted.allocated
    weights = {arm: weight if arm in arms else 0 for arm, weight in wanted.weights.items()}
    return compose_experiment(wanted, allocate(known, weights))


def _restrain(
    before: catalog_pb2.Experiment | None, after: catalog_pb2.Experiment | None
) -> catalog_pb2.Experiment | None:
    """Returns what an experiment may be while nothing may gain: what is live, with what it loses taken away."""
    if before is None or after is None:
        return None
    kept = _with_weights(
        before, {arm: min(count, _challengers(after).get(arm, 0)) for arm, count in _challengers(before).items()}
    )
    kept.revision = after.revision
    kept.ClearField("halts")
    kept.halts.extend(after.halts)
    return kept


def _without(experiment: catalog_pb2.Experiment, arms: Collection[str]) -> catalog_pb2.Experiment:
    """Returns an experiment in which only these arms have shares."""
    weights = _challengers(experiment)
    if weights.keys() <= set(arms):
        return experiment
    return _with_weights(experiment, {arm: count if arm in arms else 0 for arm, count in weights.items()})


def _stopped(
    experiment: catalog_pb2.Experiment, arms: Collection[str], halts: Sequence[Halt], revision: str
) -> catalog_pb2.Experiment:
    """Returns an experiment as it is live, but for arms that are gone or have lost their share."""
    kept = catalog_pb2.Experiment()
    kept.CopyFrom(_without(experiment, set(arms) - {halt.arm for halt in halts}))
    kept.revision = revision
    if halts:
        kept.ClearField("halts")
        kept.halts.extend(map(compose_halt, halts))
    return kept


def _with_weights(experiment: catalog_pb2.Experiment, weights: Mapping[str, int]) -> catalog_pb2.Experiment:
    kept = catalog_pb2.Experiment()
    kept.CopyFrom(experiment)
    kept.ClearField("slices")
    kept.slices.extend(compose_slices(allocate(read_slices(experiment), weights)))
    return kept


def _set_experiments(model: catalog_pb2.Model, found: Mapping[str, catalog_pb2.Experiment]) -> None:
    """Puts experiments into the order in which they are asked."""
    ordered: Iterable[str] = sorted(found, key=lambda name: (name == DEFAULT, name))
    experiments = [found[name] for name in ordered]
    model.ClearField("experiments")
    model.experiments.extend(experiments)
