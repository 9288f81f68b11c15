"""What publishing says about each model."""

from dataclasses import dataclass
from enum import Enum


class Result(Enum):
    """What became of a version."""

    UNCHANGED = "unchanged"
    LIVE = "live"
    INCOMPLETE = "live, but not on every node that answers"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What publishing did about one version, and why or how well; no detail where there is nothing to say."""

    name: str
    version: int
    result: Result
    detail: str
