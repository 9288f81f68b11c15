"""Lists experiments: what was decided, what is live of it, and what is not and why."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from erpml.catalog.v1 import catalog_pb2

from hub.errors import HubError
from hub.experiments.buckets import shares
from hub.experiments.design import Design, Guardrails, read_design
from hub.experiments.messages import find_experiment, read_slices
from hub.experiments.reading import Halt, Reading, read_experiments
from hub.experiments.tags import FAULT, read_weights
from hub.history.moments import format_moment
from hub.registry.aliases import SHADOW, kind_of, served
from hub.registry.records import CHAMPION, RegisteredModel
from hub.registry.weights import percent_of

_BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Arm:
    """An arm of an experiment.

    Attributes:
        version: Version that answers for it; None where none is loaded.
        weight: Percentage that was decided, as it is written; None for the champion, which has what others leave.
        live: Percentage that is live; None where the experiment is not.
        buckets: Ranges of buckets that are live, such as `0-999`.
    """

    version: int | None
    weight: str | None
    live: str | None
    buckets: Sequence[str]


@dataclass(frozen=True, slots=True)
class Listed:
    """An experiment.

    Attributes:
        model: Registered name of its model.
        name: Its name.
        state: `created`, `running`, `paused` or `broken`.
        arms: Its arms by name.
        design: What was decided; None where that cannot be read.
        live: What the catalog says of it; None where it is not live.
        halts: Arms that have lost their share.
        note: Why it is not live as it was decided; empty where it is.
    """

    model: str
    name: str
    state: str
    arms: Mapping[str, Arm]
    design: Design | None
    live: catalog_pb2.Experiment | None
    halts: Sequence[Halt] = field(default_factory=tuple)
    note: str = ""


def list_experiments(
    models: Mapping[str, RegisteredModel], catalog: catalog_pb2.Catalog, only: str | None
) -> list[Listed]:
    """Returns the experiments of all models, or of one.

    Raises:
        HubError: There is no such model.
    """
    if only is not None and only not in models:
        raise HubError(f"no model {only} is registered: check the name")
    live = {model.name: model for model in catalog.models}
    chosen = [only] if only is not None else sorted(models)
    return [each for name in chosen for each in _list_model(models[name], live.get(name))]


def describe(listed: Listed) -> Iterator[str]:
    """Returns an experiment in words, a line each."""
    yield f"{listed.model} {listed.name}: {listed.state}{_decision(listed.design)}"
    for alias, arm in listed.arms.items():
        version = f" version {arm.version}" if arm.version else ", not loaded"
        buckets = f", buckets {', '.join(arm.buckets)}" if arm.buckets else ""
        yield f"  {alias}{version}: {_share(arm)}{buckets}"
    yield from _describe_aim(listed.design) if listed.design else ()
    for halt in listed.halts:
        yield f"  {halt.arm} lost its {halt.weight} % {format_moment(halt.at)}: {halt.reason}"
    if listed.note:
        yield f"  not as decided: {listed.note}"


def to_json(found: Sequence[Listed]) -> str:
    """Returns experiments as a JSON list; what is live of one has the names that the catalog gives it."""
    return json.dumps([_plain(each) for each in found], indent=2, ensure_ascii=False)


def _list_model(model: RegisteredModel, live: catalog_pb2.Model | None) -> Iterator[Listed]:
    reading = read_experiments(model.name, model.tags)
    for name in sorted({*(each.name for each in reading.wanted), *reading.faults}):
        yield _list_experiment(model, live, reading, name)


def _list_experiment(model: RegisteredModel, live: catalog_pb2.Model | None, reading: Reading, name: str) -> Listed:
    fault, wanted = reading.faults.get(name), reading.find(name)
    design = wanted.design if wanted else _design(model, name)
    experiment = find_experiment(live, name)
    arms = _arms(live, experiment, read_weights(model.tags, name))
    halts = wanted.halts if wanted else reading.halted.get(name, ((), ""))[0]
    state = _BROKEN if fault or design is None else str(design.state)
    return Listed(
        model.name, name, state, arms, design, experiment, halts, fault or model.tags.get(f"{FAULT}{name}", "")
    )


def _design(model: RegisteredModel, name: str) -> Design | None:
    try:
        return read_design(model.name, name, model.tags)
    except HubError:
        return None


def _arms(
    live: catalog_pb2.Model | None, experiment: catalog_pb2.Experiment | None, weights: Mapping[str, str]
) -> dict[str, Arm]:
    versions = {arm.name: arm.version for arm in live.arms} if live else {}
    slices = read_slices(experiment) if experiment else ()
    counts = shares(slices)
    names = served({CHAMPION, *counts, *(arm for arm in weights if kind_of(arm) != SHADOW)})
    return {
        name: Arm(
            versions.get(name),
            None if name == CHAMPION else weights.get(name, "0"),
            percent_of(counts.get(name, 0)) if experiment else None,
            [f"{each.first}-{each.first + each.count - 1}" for each in slices if each.arm == name],
        )
        for name in names
    }


def _decision(design: Design | None) -> str:
    if design is None or design.changed is None:
        return ""
    changed = design.changed
    return f" since {format_moment(changed.at)} by {changed.by}" + (f": {changed.reason}" if changed.reason else "")


def _share(arm: Arm) -> str:
    if arm.weight is None or arm.weight == arm.live:
        return f"{arm.live} %" if arm.live is not None else "what others leave"
    return f"{arm.weight} %" + (f", {arm.live} % live" if arm.live is not None else ", not live")


def _describe_aim(design: Design) -> Iterator[str]:
    if design.tenants:
        yield f"  takes calls of {', '.join(design.tenants)}"
    for path, values in design.conditions.items():
        yield f"  takes calls whose {path} is {' or '.join(values)}"
    if apart := design.exclusion:
        yield f"  group {apart.group}: buckets {apart.first}-{apart.first + apart.buckets - 1}"
    yield _describe_guardrails(design.guardrails) if design.guardrails else "  no guardrails"


def _describe_guardrails(limits: Guardrails) -> str:
    return (
        f"  guardrails: errors {limits.error_rate:g} above the champion's, latency {limits.latency_ratio:g} times its, "
        f"scores {limits.score_shift:g} apart, within {limits.window_seconds} s, from {limits.least_calls} calls"
    )


def _plain(listed: Listed) -> dict[str, Any]:
    design, live = listed.design, listed.live
    fields = design.model_dump(mode="json", exclude={"arms", "exclusion", "revision", "state"}) if design else {}
    apart = design.exclusion if design else None
    return {
        "model": listed.model,
        "name": listed.name,
        "state": listed.state,
        "arms": {name: asdict(arm) for name, arm in listed.arms.items()},
        **fields,
        "exclusion": {"group": apart.group, "first_bucket": apart.first, "buckets": apart.buckets} if apart else None,
        "slices": [
            {"arm": each.arm, "first_bucket": each.first_bucket, "buckets": each.buckets}
            for each in (live.slices if live else ())
        ],
        "revision": live.revision if live else None,
        "halts": [{**asdict(halt), "at": halt.at.isoformat()} for halt in listed.halts],
        "note": listed.note,
    }
