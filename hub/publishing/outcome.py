"""What publishing says about each model."""

from dataclasses import dataclass
from enum import Enum


class Result(Enum):
    """What became of a version, or of an experiment."""

    UNCHANGED = "unchanged"
    LIVE = "live"
    INCOMPLETE = "live, but not on every node that answers"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    HELD = "held"
    LACKING = "live, but not whole"
    HALTED = "halted"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What publishing did about one version or experiment, and why or how well.

    Attributes:
        name: Registered name of the model.
        version: The version; 0 where it is about none.
        result: What became of it.
        detail: Why or how well; empty where there is nothing to say.
        experiment: The experiment; empty where it is about none.
    """

    name: str
    version: int
    result: Result
    detail: str
    experiment: str = ""
