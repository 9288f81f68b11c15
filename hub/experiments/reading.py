"""Reads what experiments of a model shall be from its tags. No I/O."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from hub.errors import HubError
from hub.experiments.buckets import BUCKETS as WHOLE
from hub.experiments.buckets import Slice, parse_slices
from hub.experiments.design import Design, read_design
from hub.experiments.tags import (
    BUCKETS,
    DEFAULT,
    EXPERIMENT,
    experiment_tag,
    read_guardrails,
    read_weights,
    require_name,
    weight_tag,
)
from hub.registry.aliases import CHALLENGER, SHADOW, is_served, kind_of
from hub.registry.records import CHAMPION
from hub.registry.weights import parse_weight, percent_of

_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Halt:
    """An arm that has lost its share.

    Attributes:
        arm: Its name.
        reason: Why.
        at: When, in UTC.
        weight: What it had, in percent.
    """

    arm: str
    reason: str
    at: datetime
    weight: str = "0"

    def to_tag(self) -> str:
        """Returns the tag's value."""
        fields = {"reason": self.reason, "at": self.at.isoformat(), "weight": self.weight}
        return json.dumps(fields, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Wanted:
    """An experiment as tags say that it shall be.

    Attributes:
        name: Its name.
        design: What was decided.
        weights: Shares of its challengers, in hundredths of a percent.
        halts: Arms that have lost their share, and were given none since.
        allocated: Who had which buckets when it was live last; nothing where that is not known.
        revision: Another one after every decision, also where somebody edited a tag.
    """

    name: str
    design: Design
    weights: Mapping[str, int]
    halts: tuple[Halt, ...]
    allocated: tuple[Slice, ...]
    revision: str


@dataclass(frozen=True, slots=True)
class Reading:
    """All experiments of a model.

    Attributes:
        wanted: Those that can be, by name, `default` last.
        faults: Why others cannot be, by name.
        halted: Of those: arms that have lost their share, and the revision that this makes; only where there are some.
        mirrored: Shares of the champion's calls that shadows are asked too, in hundredths of a percent, where that was
            said; nothing where `default` has a fault.
    """

    wanted: tuple[Wanted, ...]
    faults: Mapping[str, str]
    halted: Mapping[str, tuple[tuple[Halt, ...], str]]
    mirrored: Mapping[str, int]

    def find(self, name: str) -> Wanted | None:
        """Returns one of those that can be."""
        return next((each for each in self.wanted if each.name == name), None)


def read_experiments(model: str, tags: Mapping[str, str]) -> Reading:
    """Reads all experiments of a registered model; what is wrong with one keeps no other away."""
    wanted, faults, mirrored = list[Wanted](), dict[str, str](), dict[str, int]()
    plain = read_weights(tags, DEFAULT)
    try:
        default = _read(model, DEFAULT, tags) if plain else None
        mirrored = {arm: _parse(DEFAULT, arm, text) for arm, text in plain.items() if kind_of(arm) == SHADOW}
        wanted += [default] if default and default.weights else []
    except HubError as error:
        faults[DEFAULT] = str(error)
    for name in names_of(tags):
        try:
            require_name(name)
            wanted.append(_read(model, name, tags))
        except HubError as error:
            faults[name] = str(error)
    halted = {name: found for name in faults if (found := _read_halted(name, tags))[0]}
    return Reading(tuple(sorted(wanted, key=_order)), faults, halted, mirrored)


def names_of(tags: Mapping[str, str]) -> list[str]:
    """Returns the names of experiments but for `default`."""
    names = {key.removeprefix(EXPERIMENT) for key in tags if key.startswith(EXPERIMENT)}
    return sorted(names - {DEFAULT})


def read_halts(tags: Mapping[str, str], experiment: str, weights: Mapping[str, int]) -> tuple[Halt, ...]:
    """Returns the arms that have lost their share; one that has a share was given it by a person since."""
    found = sorted(read_guardrails(tags, experiment).items())
    return tuple(_read_halt(arm, text) for arm, text in found if not weights.get(arm))


def _order(wanted: Wanted) -> tuple[bool, str]:
    return wanted.name == DEFAULT, wanted.name


def _read(model: str, name: str, tags: Mapping[str, str]) -> Wanted:
    design = read_design(model, name, tags)
    weights = _parse_weights(name, design, read_weights(tags, name))
    halts = read_halts(tags, name, weights)
    allocated = parse_slices(tags.get(f"{BUCKETS}{name}", ""))
    return Wanted(
        name, design, weights, halts, allocated, _revision(tags.get(experiment_tag(name), ""), weights, halts)
    )


def _read_halted(name: str, tags: Mapping[str, str]) -> tuple[tuple[Halt, ...], str]:
    """Returns the arms of a broken experiment that have lost their share, and the revision that this makes."""
    texts = read_weights(tags, name)
    weights = {arm: int(text != "0") for arm, text in texts.items()}
    halts = read_halts(tags, name, weights)
    return halts, _revision(tags.get(experiment_tag(name), ""), weights, halts)


def _parse_weights(name: str, design: Design, texts: Mapping[str, str]) -> dict[str, int]:
    """Returns the weights of challengers.

    Raises:
        HubError: One is no percentage, or of no arm of the experiment, or they are too much together.
    """
    weights = {arm: _parse(name, arm, text) for arm, text in texts.items()}
    champion = weights.pop(CHAMPION, None)
    challengers = {arm: weight for arm, weight in weights.items() if kind_of(arm) == CHALLENGER}
    others = weights.keys() - design.arms
    if others and name != DEFAULT:  # whose arms are those that have weights
        arm = min(others)
        raise HubError(f"tag {weight_tag(name, arm)}: the experiment {name} has no arm {arm}; remove the tag")
    total = sum(challengers.values())
    if total > WHOLE:
        raise HubError(f"the weights of {name} add up to {percent_of(total)} %: lower them to 100 % at the most")
    if champion is not None and total + champion != WHOLE:
        raise HubError(
            f"the weights of {name} and its champion's add up to {percent_of(total + champion)} %: make that 100, or "
            f"remove the tag {weight_tag(name, CHAMPION)}, since the champion has what others leave"
        )
    return challengers


def _parse(name: str, arm: str, text: str) -> int:
    key = weight_tag(name, arm)
    if not is_served(arm):
        raise HubError(f"tag {key}: {arm!r} is no alias that is served; remove the tag, or rename the alias")
    try:
        return parse_weight(text)
    except HubError as error:
        raise HubError(f"tag {key}: {error}") from error


def _read_halt(arm: str, text: str) -> Halt:
    """Returns a halt; what somebody wrote by hand is a reason as well."""
    try:
        fields = json.loads(text)
        at = datetime.fromisoformat(fields["at"]).astimezone(UTC)
        return Halt(arm, str(fields["reason"]), at, str(fields.get("weight", "0")))
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        return Halt(arm, text, datetime.fromtimestamp(0, UTC))


def _revision(decided: str, weights: Mapping[str, int], halts: tuple[Halt, ...]) -> str:
    content = json.dumps([decided, sorted(weights.items()), [halt.to_tag() + halt.arm for halt in halts]])
    return hashlib.sha256(content.encode()).hexdigest()[:_DIGITS]
