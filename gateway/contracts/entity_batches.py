"""Typed batch methods whose items look up stored features: those of all items are fetched at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from gateway.contracts.batches import BatchMethod
from gateway.contracts.bindings import parse_message
from gateway.contracts.entity_methods import EntityMethod
from gateway.contracts.lookups import Asked
from gateway.errors import GatewayError
from gateway.feature_views import Features, Lookup
from gateway.types import Arm, Tensors


@dataclass(frozen=True, slots=True)
class AskedItems:
    """A batch on its way to one arm.

    Attributes:
        message: The request.
        items: Its items.
    """

    message: Any
    items: list[Asked]


@dataclass(frozen=True, slots=True)
class EntityBatchMethod(BatchMethod):
    """A method that scores many items as one call, each with the stored features that it needs."""

    item: EntityMethod

    @classmethod
    def of(cls, batch: BatchMethod) -> "EntityBatchMethod":
        """Makes one of a batch method whose items look up stored features."""
        return cls(**{field.name: getattr(batch, field.name) for field in fields(batch)})

    def parse(self, message: bytes) -> AskedItems:
        """Reads the request.

        Raises:
            InvalidRequest: The bytes are not such a message.
        """
        request = parse_message(self.request, message)
        return AskedItems(request, [Asked(item) for item in getattr(request, self.field)])

    def items(self, request: AskedItems) -> Sequence[Asked]:
        """Returns the items of a request."""
        return request.items

    def part(self, request: AskedItems, positions: Sequence[int]) -> AskedItems:
        """Returns a request that has some of the items, in this order."""
        return AskedItems(request.message, [request.items[position] for position in positions])

    def lookups(self, request: AskedItems, arm: Arm) -> Sequence[Lookup | None]:
        """Names the entity of each id of each item, in the order of the items, where its features are needed.

        Raises:
            InvalidRequest: There are no items, or too many.
        """
        self.check_size(len(request.items), arm)
        binding = self.item.bindings[arm.version.number]
        nothing = (None,) * len(binding.entities)
        wanted = [lookup for asked in request.items for lookup in binding.seek(asked) or nothing]
        return wanted if any(wanted) else ()

    def rows(
        self, request: AskedItems, arm: Arm, features: Sequence[Features] = ()
    ) -> tuple[Tensors, Mapping[int, GatewayError]]:
        """Turns the items into rows; items that cannot be scored, or whose features are refused, are left out.

        Raises:
            InvalidRequest: There are no items, or too many.
        """
        self.check_size(len(request.items), arm)
        binding = self.item.bindings[arm.version.number]
        rows, left_out, entities = [], dict[int, GatewayError](), len(binding.entities)
        for position, asked in enumerate(request.items):
            own = features[position * entities : (position + 1) * entities]
            try:
                rows.append(binding.pack(asked, own) if asked.row is None else asked.row)
            except GatewayError as error:
                left_out[position] = error
        data = tuple(map(b"".join, zip(*rows, strict=True)))
        return Tensors(len(rows), binding.shapes, data, binding.terms), left_out
