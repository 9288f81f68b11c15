"""One change of what a model is, or of what is live of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

CHAMPION = "champion"  # the alias that is meant where a change names none

REGISTERED = "registered"
ALIAS = "alias"
WEIGHT = "weight"
LIVE = "live"
WITHDRAWN = "withdrawn"
REFUSED = "refused"
ROLLED_BACK = "rolled back"
POLICY = "policy"
EXPERIMENT = "experiment"
MOVES = frozenset({ALIAS, ROLLED_BACK})
KINDS = frozenset({REGISTERED, ALIAS, WEIGHT, LIVE, WITHDRAWN, REFUSED, ROLLED_BACK, POLICY, EXPERIMENT})


@dataclass(frozen=True, slots=True)
class Change:
    """What changed, by whom and why.

    Attributes:
        name: Registered name of the model.
        kind: One of `KINDS`.
        alias: Alias or arm that it is about, if any.
        version: What the alias points at now, or the version that it is about; None where an alias was removed.
        previous: What the alias pointed at before, if anything.
        by: Who did it.
        reason: Why, in the words of who did it.
        at: When, in UTC, in microseconds.
        details: What else is known, such as `weight` of a weight, or the name of an `experiment`, what `change` was
            made, and what it was `before` and is `after`.
    """

    name: str
    kind: str
    alias: str | None = None
    version: int | None = None
    previous: int | None = None
    by: str = ""
    reason: str = ""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    details: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"{self.kind!r} is no kind of change: {', '.join(sorted(KINDS))}")
        if self.at.tzinfo is None:
            raise ValueError("the time of a change needs a zone")
