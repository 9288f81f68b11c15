"""What a team declares of a feature view, in a file of YAML.

    view: customer_credit
    team: team3
    entity: customer
    description: What the credit model needs to know of a customer.
    freshness: 1d
    degrade: {rule: stale, within: 7d}
    source: {parquet: var/features/customer_credit.parquet, entity: customer_id, event_time: event_time}
    columns:
      - {name: MonthlyIncome, type: float32, default: 0, from: income, description: Euros a month.}
      - {name: taste, count: 16, type: float32, default: 0, description: What the customer buys.}

A column with a `count` stands for that many, `taste_1` to `taste_16` here, which the source calls alike. `degrade` is
also `default` or `refuse`. A source is also `{sql: {url: ..., query: ...}, ...}` or `{feast: {url: ..., project: ...,
view: ...}}`; `${NAME}` in a URL is filled in from the environment when the source is read.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from erpml.types.v1 import feature_view_pb2
from gapura_features import Schema
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from hub.errors import HubError
from hub.features.columns import DeclaredColumn, numbered
from hub.features.spans import read_span

_STRICT = ConfigDict(frozen=True, extra="forbid", populate_by_name=False)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")


def _require_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name: begin with a small letter, go on with small letters, digits and _")
    return name


def _read_degrade(content: Any) -> Any:
    return {"rule": content} if isinstance(content, str) else content


Name = Annotated[str, AfterValidator(_require_name)]
Span = Annotated[int, BeforeValidator(read_span)]
Text = Annotated[str, Field(min_length=1)]


class SqlSource(BaseModel):
    """A query: `url` is SQLAlchemy's, and may hold `${NAME}`."""

    model_config = _STRICT

    url: Text
    query: Text


class FeastSource(BaseModel):
    """What Feast has materialised into a Redis: of `project`, the feature view `view`."""

    model_config = _STRICT

    url: Text
    project: Text
    view: Text


class Source(BaseModel):
    """Where rows come from.

    Attributes:
        parquet: Files, as a path or a pattern; relative ones start at the working directory.
        sql: A query, in place of files.
        feast: A view of Feast, in place of files.
        entity: Column that holds the ids; of Feast, the join key where a view has several.
        event_time: Column that says when a row was true: a time, of UTC where it names no zone, or milliseconds since
            1970.
    """

    model_config = _STRICT

    parquet: Text | None = None
    sql: SqlSource | None = None
    feast: FeastSource | None = None
    entity: Text | None = None
    event_time: Text | None = None

    @model_validator(mode="after")
    def _require_one(self) -> Self:
        if sum(each is not None for each in (self.parquet, self.sql, self.feast)) != 1:
            raise ValueError("write exactly one of `parquet`, `sql` and `feast`")
        if self.feast is None and not (self.entity and self.event_time):
            raise ValueError("write the names of two columns, `entity` and `event_time`")
        return self


class DegradeRule(BaseModel):
    """What is used in place of fresh rows: `stale` ones up to an age, `default` values, or nothing: `refuse`."""

    model_config = _STRICT

    rule: str
    within: Span | None = None

    @model_validator(mode="after")
    def _require_rule(self) -> Self:
        if self.rule not in {"stale", "default", "refuse"}:
            raise ValueError(f"{self.rule!r} is no rule: write stale, default or refuse")
        if (self.rule == "stale") != (self.within is not None):
            raise ValueError(
                "write how old a stale row may be, as in {rule: stale, within: 7d}; other rules have no `within`"
            )
        return self


class Declaration(BaseModel):
    """A feature view as a file declares it."""

    model_config = _STRICT

    view: Name
    team: Text
    entity: Name
    description: str = ""
    freshness: Span
    degrade: Annotated[DegradeRule, BeforeValidator(_read_degrade)]
    source: Source
    columns: Annotated[tuple[DeclaredColumn, ...], Field(min_length=1), AfterValidator(numbered)]

    @property
    def row_schema(self) -> Schema:
        """The columns as rows are packed."""
        return Schema.of(column.column for column in self.columns)

    def message(self) -> feature_view_pb2.FeatureView:
        """Returns the view as catalogs have it."""
        return feature_view_pb2.FeatureView(
            name=self.view,
            team=self.team,
            entity=self.entity,
            columns=[column.message() for column in self.columns],
            freshness_ms=self.freshness,
            stale_ms=self.degrade.within or 0,
            degrade=feature_view_pb2.Degrade.Value(f"DEGRADE_{self.degrade.rule.upper()}"),
            description=self.description,
        )

    @model_validator(mode="after")
    def _require_sense(self) -> Self:
        names = [column.name for column in self.columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"`columns` has {', '.join(twice)} twice: leave one of them out")
        if self.degrade.within is not None and self.degrade.within < self.freshness:
            raise ValueError("`degrade.within` is shorter than `freshness`: stale rows are older than fresh ones")
        return self


def read_declaration(content: str, origin: str) -> Declaration:
    """Reads a declaration.

    Args:
        content: The file.
        origin: How messages call it.

    Raises:
        HubError: It is not valid; the message names file and field, and says what to change.
    """
    try:
        return Declaration.model_validate(yaml.safe_load(content))
    except yaml.YAMLError as error:
        raise HubError(f"{origin} is not YAML: {error}") from error
    except ValidationError as error:
        raise HubError("; ".join(_explain(found, origin) for found in error.errors()[:5])) from error


def read_file(path: Path) -> Declaration:
    """Reads a file that declares a view.

    Raises:
        HubError: It cannot be read or is not valid.
    """
    try:
        return read_declaration(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise HubError(f"{path} is not text in UTF-8") from error


def _explain(found: Any, origin: str) -> str:
    """Returns what is wrong with one field."""
    place = ".".join(map(str, found["loc"]))
    words = {
        "missing": "is missing",
        "extra_forbidden": "is not known here: take it out, or look for a mistake in its name",
    }.get(found["type"], str(found["msg"]).removeprefix("Value error, "))
    return f"{origin}: {place or 'the file'}: {words}"
