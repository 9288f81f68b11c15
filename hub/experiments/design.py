"""What was decided of an experiment, as the tag `experiment.<name>` keeps it in JSON."""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from hub.errors import HubError
from hub.experiments.buckets import BUCKETS
from hub.experiments.tags import DEFAULT, LONGEST, experiment_tag, require_challenger

_STRICT = ConfigDict(frozen=True, extra="forbid")


def _require_challenger(alias: str) -> str:
    try:
        require_challenger(alias)
    except HubError as error:
        raise ValueError(str(error)) from error
    return alias


def _require_zone(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("write a time with a zone, such as 2026-11-01T00:00:00+00:00")
    return moment


_Arm = Annotated[str, AfterValidator(_require_challenger)]
_Text = Annotated[str, Field(min_length=1)]
_Field = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$")]
_Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


class State(StrEnum):
    """Whether an experiment divides calls."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"


class Exclusion(BaseModel):
    """Buckets of a group that are an experiment's own.

    Attributes:
        group: Name of the group.
        first: The lowest bucket.
        buckets: How many.
    """

    model_config = _STRICT

    group: _Name
    first: int = Field(ge=0, lt=BUCKETS)
    buckets: int = Field(ge=1, le=BUCKETS)

    @model_validator(mode="after")
    def _require_room(self) -> Self:
        if self.first + self.buckets > BUCKETS:
            raise ValueError(f"there are no buckets beyond {BUCKETS - 1:,}: choose a lower `first` or fewer `buckets`")
        return self


class Guardrails(BaseModel):
    """When an arm loses its share, compared with the champion.

    Attributes:
        error_rate: Most that the share of failed calls may be above the champion's.
        latency_ratio: Most times that it may take as long.
        score_shift: Most that scores may differ: the Kolmogorov-Smirnov distance.
        window_seconds: Time that is looked at.
        least_calls: Calls of the arm within that time, from which on it is judged.
    """

    model_config = _STRICT

    error_rate: float = Field(default=0.01, ge=0, le=1, allow_inf_nan=False)
    latency_ratio: float = Field(default=1.5, gt=0, allow_inf_nan=False)
    score_shift: float = Field(default=0.1, ge=0, le=1, allow_inf_nan=False)
    window_seconds: int = Field(default=30, ge=1, le=3600)
    least_calls: int = Field(default=50, ge=1, le=1_000_000)


class Decision(BaseModel):
    """The last change of an experiment.

    Attributes:
        by: Who made it.
        reason: Why.
        at: When.
    """

    model_config = _STRICT

    by: str
    reason: str = ""
    at: Annotated[datetime, AfterValidator(_require_zone)] = Field(default_factory=lambda: datetime.now(UTC))


class Design(BaseModel):
    """An experiment but for its weights.

    Attributes:
        seed: What units are hashed with.
        state: Whether it divides calls.
        arms: Its challengers.
        tenants: Tenants whose calls it takes; all where there are none.
        conditions: Values by the path of a request field, of which it must have one.
        exclusion: Keeps it apart from others.
        guardrails: When an arm loses its share; never where there are none.
        override: Why freeze windows do not count for the last change.
        changed: The last change.
        revision: Another one after every change.
    """

    model_config = _STRICT

    seed: _Text
    state: State = State.RUNNING
    arms: tuple[_Arm, ...] = ()
    tenants: tuple[_Text, ...] = ()
    conditions: Mapping[_Field, Annotated[tuple[_Text, ...], Field(min_length=1)]] = Field(default_factory=dict)
    exclusion: Exclusion | None = None
    guardrails: Guardrails | None = Field(default_factory=Guardrails)
    override: str | None = None
    changed: Decision | None = None
    revision: str = ""

    def to_tag(self) -> str:
        """Returns the tag's value.

        Raises:
            HubError: It is longer than MLflow keeps.
        """
        text = self.model_dump_json(exclude_defaults=True)
        if len(text) > LONGEST:
            raise HubError(
                f"the experiment is {len(text):,} characters long, and MLflow keeps {LONGEST:,}: name fewer tenants or "
                "values, or make several experiments of it"
            )
        return text


def default_seed(model: str, experiment: str) -> str:
    """Returns what units are hashed with where nothing else is said."""
    return f"{model}.{experiment}"


def read_design(model: str, experiment: str, tags: Mapping[str, str]) -> Design:
    """Reads the tag; the experiment `default` needs none.

    Raises:
        HubError: It is missing or broken; the message says what to change.
    """
    key = experiment_tag(experiment)
    if experiment == DEFAULT and key not in tags:
        return Design(seed=default_seed(model, DEFAULT))
    if key not in tags:
        raise HubError(f"{model} has no experiment {experiment}: `gapura experiments create` makes one")
    try:
        return Design.model_validate_json(tags[key])
    except ValidationError as error:
        raise HubError(f"tag {key}: {explain_fault(error)}") from error


def explain_fault(error: ValidationError) -> str:
    """Returns the first thing that is wrong, and where."""
    first = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(map(str, first["loc"]))
    words = first["msg"].removeprefix("Value error, ")
    return f"{place}: {words}" if place else words
