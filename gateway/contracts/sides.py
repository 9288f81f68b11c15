"""Compiles what a message feeds: a whole row, what a request feeds for all rows, or what each row feeds itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.contracts.descriptors import AnnotatedMethod
from gateway.contracts.entities import Entity, check_stored, match_views, read_entities
from gateway.contracts.lookups import NOT_USED, Asked, Seek, compile_seek
from gateway.contracts.rows import RowPlan, compile_row, compile_settlement, plan_row, required_elsewhere
from gateway.contracts.settlement import Settlement
from gateway.contracts.stored_rows import PackStored, StoredRow, compile_stored
from gateway.feature_views import Features, FeatureView
from gateway.types import Signature


@dataclass(frozen=True, slots=True)
class Side:
    """What a message feeds.

    Attributes:
        entities: Entities whose features are part of it.
        seek: Takes a message to what it looks up.
        stored: Takes a message and the features of its entities to its parts of the tensors.
        settle: The same, for whatever is rare, and where nothing was looked up.
        is_stored: Whether stored features of its one entity feed all of it: equal features have equal parts then.
    """

    entities: tuple[Entity, ...]
    seek: Seek
    stored: PackStored
    settle: PackStored
    is_stored: bool

    def pack(self, message: Any, features: Sequence[Features]) -> StoredRow:
        """Packs a message.

        Raises:
            InvalidFields: Fields are missing, not finite or out of range.
            GatewayError: What refuses the features.
        """
        return (self.stored if features else self.settle)(message, features)


def compile_side(method: AnnotatedMethod, signature: Signature, views: Mapping[str, FeatureView]) -> Side:
    """Compiles what a message feeds.

    Args:
        method: The method; its request is the message.
        signature: The parts of the tensors that it feeds, as inputs.
        views: Declared feature views.

    Raises:
        ContractError: The message, the parts and the views do not fit.
    """
    used, stored = match_views(method, signature, views)
    plan = plan_row(method, signature, stored) if signature.inputs else RowPlan(required_elsewhere(method), [], [])
    check_stored(method, signature, plan)
    entities = read_entities(method, plan, used)
    if not entities:
        pack = without_features(plan)
        return Side((), seek_nothing, pack, pack, is_stored=False)
    settle = Settlement(plan, entities)
    return Side(
        entities=entities,
        seek=compile_seek(plan, entities),
        stored=compile_stored(plan, entities, settle),
        settle=settle,
        is_stored=len(entities) == 1 and not any(cell.column.field for cell in plan.cells()),
    )


def seek_nothing(asked: Asked) -> Sequence[Any]:  # noqa: ARG001 - the same for all
    """Looks nothing up."""
    return ()


def without_features(plan: RowPlan) -> PackStored:
    """Returns what packs a message that looks nothing up."""
    settle = compile_settlement(plan)
    pack_row: Callable[[Any], tuple[bytes, ...]] = compile_row(plan, settle) if plan.cells() else settle

    def pack(message: Any, features: Sequence[Features]) -> StoredRow:  # noqa: ARG001 - there are none
        return StoredRow(pack_row(message), NOT_USED, 0)

    return pack
