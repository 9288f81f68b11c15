"""What the catalog says of experiments: who has which share of a model's calls, and of which calls."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

BUCKETS = 10_000


@dataclass(frozen=True, slots=True)
class Slice:
    """Neighbouring buckets that have the same arm.

    Attributes:
        arm: Name of the arm.
        first: The lowest of the buckets, from 0.
        count: How many there are.
    """

    arm: str
    first: int
    count: int


@dataclass(frozen=True, slots=True)
class Condition:
    """What must be true of a request.

    Attributes:
        field: Path of a field of the typed request.
        values: Texts of which it must have one.
    """

    field: str
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Keeps experiments apart: a unit meets one at most of a group.

    Attributes:
        group: Its name.
        first: The lowest bucket of the group that belongs to the experiment.
        count: How many there are.
    """

    group: str
    first: int
    count: int


@dataclass(frozen=True, slots=True)
class Guardrails:
    """When an arm loses its share, compared with the champion in the same experiment and window.

    Attributes:
        error_rate: Most that the share of failed calls may be above the champion's.
        latency_ratio: Most times that it may take as long, at the median and at the 99th percentile.
        score_shift: Most that the distributions of scores may differ: the Kolmogorov-Smirnov distance.
        window_seconds: How far is looked back.
        least_calls: Calls of the arm from which on it is judged.
    """

    error_rate: float
    latency_ratio: float
    score_shift: float
    window_seconds: int
    least_calls: int


@dataclass(frozen=True, slots=True)
class Experiment:
    """Divides calls of a model among its arms.

    Attributes:
        name: Unique among those of the model.
        seed: What units are hashed with.
        is_running: Whether it divides calls at present.
        slices: Who has which buckets; together they are all, once each.
        tenants: Whose calls it takes; all where there are none.
        conditions: What else must be true of a call that it takes.
        exclusion: What keeps it apart from others.
        guardrails: When an arm loses its share; never without.
        revision: Changes with every decision about it.
        halts: Why arms have lost their share, by their names.
    """

    name: str
    seed: str
    is_running: bool
    slices: tuple[Slice, ...]
    tenants: frozenset[str] = frozenset()
    conditions: tuple[Condition, ...] = ()
    exclusion: Exclusion | None = None
    guardrails: Guardrails | None = None
    revision: str = ""
    halts: Mapping[str, str] = field(default_factory=dict)

    def shares(self) -> dict[str, int]:
        """Returns the buckets of each arm."""
        shares = dict[str, int]()
        for each in self.slices:
            shares[each.arm] = shares.get(each.arm, 0) + each.count
        return shares


class Halted(NamedTuple):
    """An arm that guardrails have found at fault: it has no share until the experiment has another revision.

    Attributes:
        model: Registered name.
        experiment: Name of the experiment.
        arm: Name of the arm.
        version: Number of the version that it named.
        revision: Of the experiment, when it was judged.
    """

    model: str
    experiment: str
    arm: str
    version: int
    revision: str
