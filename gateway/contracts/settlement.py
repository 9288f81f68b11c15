"""Looks closely at a request that leaves values to stored features: what is missing, refused, out of bounds or null."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from math import nan
from typing import Any

from gapura_features.schema import Value

from gateway.contracts.cells import Cell, is_absent, settled
from gateway.contracts.columns import Stored
from gateway.contracts.entities import Entity
from gateway.contracts.rows import RowPlan, required_needs
from gateway.contracts.stored_rows import StoredRow, oldest
from gateway.errors import InvalidFields
from gateway.feature_views import NO_FEATURES, Features, FeatureStatus, FeatureView

DEFAULT, NOT_USED = FeatureStatus.DEFAULT, FeatureStatus.NOT_USED


@dataclass(frozen=True, slots=True)
class Settlement:
    """Packs rows of one arm.

    Attributes:
        plan: What a row is made of.
        entities: The entities of a request.
    """

    plan: RowPlan
    entities: tuple[Entity, ...]

    def __call__(self, request: Any, features: Sequence[Features] = ()) -> StoredRow:
        """Packs a row; no features stand for nothing that was looked up.

        Raises:
            InvalidFields: Fields are missing, not finite or out of range.
            GatewayError: What refuses the features.
        """
        features = [
            left_out(entity.view) if entity.is_left_out(request) else each
            for entity, each in zip(self.entities, features or repeat(NO_FEATURES), strict=False)
        ]
        for each in features:
            if each.refusal is not None:
                raise each.refusal.with_traceback(None)  # several calls may have it
        self._check(request, features)
        status, rows = max(each.status for each in features), list[bytes]()
        for pack, cells in zip(self.plan.packs, self.plan.tensors, strict=True):
            taken = [take(cell, request, features) for cell in cells]
            rows.append(pack(*(value for value, _ in taken)))
            if any(replaced for _, replaced in taken):
                status = max(status, DEFAULT)
        return StoredRow(tuple(rows), status, oldest(*(each.event_time_ms for each in features)))

    def _check(self, request: Any, features: Sequence[Features]) -> None:
        """Checks the fields of a request.

        Raises:
            InvalidFields: Some need something else.
        """
        needs = dict[str, str]()
        for field, need in (*required_needs(self.plan.required, request), *self._needs(request, features)):
            if need:
                needs.setdefault(field, need)
        if needs:
            raise InvalidFields(list(needs.items()))

    def _needs(self, request: Any, features: Sequence[Features]) -> Iterator[tuple[str, str]]:
        for entity, each in zip(self.entities, features, strict=True):
            if each is NO_FEATURES and entity.is_wanted(request):
                yield entity.field, entity.need(request)
        for cell in self.plan.cells():
            if cell.column.field:
                yield cell.column.field, cell.violation(request)


def left_out(view: FeatureView) -> Features:
    """Returns what stands for the features of an entity that a request need not name."""
    blank = view.blank()
    return Features(blank, blank, NOT_USED)


def take(cell: Cell, request: Any, features: Sequence[Features]) -> tuple[Value, bool]:
    """Returns the value of a cell, and whether a default stands for what is missing; the request gets it too."""
    column, stored = cell.column, cell.column.stored
    if stored is None or (column.field and not is_absent(column, request)):
        return settled(cell, request), False
    value, replaced = choose(cell, stored, features[stored.entity])
    if value is None:
        return nan, replaced
    if column.field:
        setattr(request, column.field, value)
    return value, replaced


def choose(cell: Cell, stored: Stored, features: Features) -> tuple[Value, bool]:
    """Returns the stored value of a cell, or None, and whether it is the default in the place of one.

    A value that the field or the tensor cannot hold is missing; so is NaN, which without a default stays what it is.
    """
    value: Any = features.filled[stored.position]
    if value is None or cell.text or cell.low <= value <= cell.high:
        return value, value is not None and features.values[stored.position] is None
    default = stored.column.default
    return default, default is not None or value == value  # noqa: PLR0124 - NaN
