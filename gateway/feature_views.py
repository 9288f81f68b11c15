"""Feature views as the gateway reads them, and the features of one entity: values that pass between the stages."""

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import NamedTuple

from erpml.types.v1 import feature_view_pb2
from gapura_features.schema import Schema, Value

from gateway.errors import CatalogError, GatewayError


class FeatureStatus(IntEnum):
    """How good stored features are; numbers are those of `erpml.types.v1.FeatureStatus`, a higher one is worse."""

    NOT_USED = 1
    FRESH = 2
    STALE = 3
    DEFAULT = 4
    REFUSED = 5


class Degrade(Enum):
    """What is used in place of fresh features; numbers are those of `erpml.types.v1.Degrade`."""

    STALE = 1
    DEFAULT = 2
    REFUSE = 3


@dataclass(frozen=True, slots=True)
class FeatureView:
    """A named row of features for each entity of a kind.

    Attributes:
        name: Unique name.
        entity: What the features belong to, such as `customer`.
        schema: The columns of a row.
        freshness_ms: How old a row may be to count as fresh.
        stale_ms: How old one may be and still be used, where a stale one may be.
        degrade: What is used in place of fresh features.
        declared: What was declared of it: a serialised `erpml.types.v1.FeatureView`.
    """

    name: str
    entity: str
    schema: Schema
    freshness_ms: int
    stale_ms: int
    degrade: Degrade
    declared: bytes = b""

    @classmethod
    def read(cls, message: feature_view_pb2.FeatureView) -> "FeatureView":
        """Reads a view of a catalog.

        Raises:
            CatalogError: It contradicts itself.
        """
        try:
            schema, degrade = Schema.read(message), Degrade(message.degrade)
        except ValueError as error:
            raise CatalogError(f"feature view '{message.name}': {error}; apply it again", view=message.name) from error
        stale_ms = max(message.stale_ms, message.freshness_ms)
        declared = message.SerializeToString()
        return cls(message.name, message.entity, schema, message.freshness_ms, stale_ms, degrade, declared)

    def blank(self) -> tuple[Value, ...]:
        """Returns the defaults of a row, in the order of the schema."""
        return tuple(column.default for column in self.schema.columns)


class Lookup(NamedTuple):
    """One entity whose features are wanted.

    Attributes:
        view: The view.
        entity: Id of the entity.
    """

    view: FeatureView
    entity: str


class FreshRow(NamedTuple):
    """A row to write.

    Attributes:
        entity: Id of the entity.
        values: A value for each column, in the order of the view's schema; None is null.
        event_time_ms: When they were true, in milliseconds since 1970.
    """

    entity: str
    values: tuple[Value, ...]
    event_time_ms: int


class Features(NamedTuple):
    """The features of one entity, as they are to be used.

    Attributes:
        values: A value for each column, in the order of the view's schema; None is null.
        filled: The same with the defaults of null columns in their place.
        status: How good they are: FRESH, STALE, DEFAULT where they are all defaults, or REFUSED.
        event_time_ms: When they were true, in milliseconds since 1970; 0 for defaults.
        refusal: Why there are none, where they are refused.
    """

    values: tuple[Value, ...]
    filled: tuple[Value, ...]
    status: FeatureStatus
    event_time_ms: int = 0
    refusal: GatewayError | None = None

    @property
    def answer_status(self) -> FeatureStatus:
        """What an answer that used them says: DEFAULT too where a default filled in for a null."""
        return self.status if self.filled is self.values else max(self.status, FeatureStatus.DEFAULT)


def fill(view: FeatureView, values: tuple[Value, ...]) -> tuple[Value, ...]:
    """Returns values with defaults in the place of nulls: the very same where nothing is to be filled in."""
    if None not in values:
        return values
    filled = tuple(
        column.default if value is None else value for column, value in zip(view.schema.columns, values, strict=True)
    )
    return values if filled == values else filled


def defaults_of(view: FeatureView) -> Features:
    """Returns the defaults of a view, in the place of features."""
    blank = view.blank()
    return Features(blank, blank, FeatureStatus.DEFAULT)


def refused(view: FeatureView, why: GatewayError) -> Features:
    """Returns what stands for features that are refused: nulls, and why."""
    nothing = (None,) * len(view.schema.columns)
    return Features(nothing, nothing, FeatureStatus.REFUSED, refusal=why)


# In the place of an entity that is not looked up.
NO_FEATURES = Features((), (), FeatureStatus.NOT_USED)
