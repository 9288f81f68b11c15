"""The columns that a declaration of a feature view lists: one each, or many of one kind that are numbered."""

from typing import Annotated, Any, Self

from erpml.types.v1 import feature_view_pb2
from gapura_features import BadValue, Column, FeatureType, Value, message_of
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

_RESERVED = ("entity", "event_time")

_MOST_COLUMNS = 1_000
_LONGEST_NAME = 128
_TYPES = {type_.name.lower(): type_ for type_ in FeatureType}


def _read_type(text: Any) -> FeatureType:
    if text not in _TYPES:
        raise ValueError(f"{text!r} is no type: write one of {', '.join(_TYPES)}")
    return _TYPES[text]


class DeclaredColumn(BaseModel):
    """One value of every row, or several with a `count`.

    Attributes:
        count: How many columns this one stands for: `<name>_1` and so on, which the source calls alike.
        origin: Column of the source, `from` in the file; where it is absent, `name`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=False)

    name: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.\-]*$", max_length=_LONGEST_NAME)]
    count: Annotated[int, Field(strict=True, ge=1, le=_MOST_COLUMNS)] | None = None
    type: Annotated[FeatureType, BeforeValidator(_read_type)]
    default: float | int | bool | str | None = Field(default=None, union_mode="smart")
    description: str = ""
    origin: Annotated[str, Field(min_length=1)] | None = Field(default=None, alias="from")

    @property
    def source_name(self) -> str:
        """Name of the column of the source."""
        return self.origin or self.name

    @property
    def column(self) -> Column:
        """The column as rows are packed."""
        return Column(self.name, self.type, self._default())

    def message(self) -> feature_view_pb2.FeatureColumn:
        """Returns the column as catalogs have it."""
        return feature_view_pb2.FeatureColumn(
            name=self.name,
            type=feature_view_pb2.FeatureType.Value(f"FEATURE_TYPE_{self.type.name}"),
            default_value=message_of(self.type, self._default()),
            description=self.description,
        )

    def numbered(self) -> tuple[Self, ...]:
        """Returns the columns that this one stands for."""
        if self.count is None:
            return (self,)
        return tuple(
            self.model_copy(
                update={
                    "name": f"{self.name}_{number}",
                    "origin": self.origin and f"{self.origin}_{number}",
                    "count": None,
                }
            )
            for number in range(1, self.count + 1)
        )

    @field_validator("name")
    @classmethod
    def _require_free_name(cls, name: str) -> str:
        if name in _RESERVED:
            raise ValueError(f"{name!r} is what pushed rows call the id and the time: choose another name")
        return name

    @model_validator(mode="after")
    def _require_fitting_default(self) -> Self:
        try:
            self.column.check(self._default())
        except BadValue as error:
            raise ValueError(f"`default` {error.need}") from error
        return self

    @model_validator(mode="after")
    def _require_short_numbered_names(self) -> Self:
        if self.count and len(f"{self.name}_{self.count}") > _LONGEST_NAME:
            raise ValueError(f"`name` and a number have more than {_LONGEST_NAME} characters: shorten it")
        return self

    def _default(self) -> Value:
        if self.type is FeatureType.BYTES and isinstance(self.default, str):
            return self.default.encode()
        return self.default


def numbered(columns: tuple[DeclaredColumn, ...]) -> tuple[DeclaredColumn, ...]:
    """Returns all columns that declared ones stand for.

    Raises:
        ValueError: They are too many.
    """
    every = tuple(single for column in columns for single in column.numbered())
    if len(every) > _MOST_COLUMNS:
        raise ValueError(f"`columns` stands for {len(every):,} columns, and a view has at most {_MOST_COLUMNS:,}")
    return every
