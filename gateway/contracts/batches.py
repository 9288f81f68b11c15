"""Typed batch methods: many items of one call, scored together, each with its own answer or error."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor
from google.rpc import status_pb2

from gateway.contracts.bindings import TypedMethod, parse_message
from gateway.contracts.columns import misfit
from gateway.contracts.descriptors import AnnotatedMethod
from gateway.errors import ContractError, GatewayError, InvalidFields, InvalidRequest
from gateway.feature_views import Features, FeatureView, Lookup
from gateway.types import Arm, Model, Tensors

MOST_ITEMS = 512
STATUS = status_pb2.Status.DESCRIPTOR.full_name

# An error -> its serialised google.rpc.Status.
StatusOf = Callable[[GatewayError], bytes]


@dataclass(frozen=True, slots=True)
class BatchMethod:
    """A method that scores many items as one call.

    Attributes:
        item: The method that scores one item.
        request: Message class of the request.
        response: Message class of the response.
        field: Request field with the items.
        results: Response field with the results.
        answered: Field of a result that holds an answer.
        refused: Field of a result that holds a status.
        status_of: Takes an item's error to its serialised status.
        misfits: Versions beside the champion's that take no batches, by number.
    """

    item: TypedMethod
    request: Any
    response: Any
    field: str
    results: str
    answered: str
    refused: str
    status_of: StatusOf
    misfits: Mapping[int, ContractError]

    @property
    def model(self) -> str:
        """Registered name of the model that answers."""
        return self.item.model

    def parse(self, message: bytes) -> Any:
        """Reads the request.

        Raises:
            InvalidRequest: The bytes are not such a message.
        """
        return parse_message(self.request, message)

    def target(self, request: Any) -> tuple[str, str]:
        """Names the model; the version is the router's choice."""
        return self.item.target(request)

    def views(self) -> set[FeatureView]:
        """Returns the feature views that its items look up."""
        return self.item.views()

    def lookups(self, request: Any, arm: Arm) -> Sequence[Lookup | None]:  # noqa: ARG002 - the same for all
        """Names no entities: the items say everything."""
        return ()

    def rows(
        self,
        request: Any,
        arm: Arm,
        features: Sequence[Features] = (),  # noqa: ARG002 - there are none
    ) -> tuple[Tensors, Mapping[int, GatewayError]]:
        """Turns the items into rows; items that cannot be scored are left out.

        Raises:
            InvalidRequest: There are no items, or too many.
        """
        binding, items = self.item.bindings[arm.version.number], self.items(request)
        self.check_size(len(items), arm)
        rows, left_out = [], dict[int, GatewayError]()
        for position, item in enumerate(items):
            try:
                rows.append(binding.row(item))
            except InvalidRequest as error:
                left_out[position] = error
        data = tuple(map(b"".join, zip(*rows, strict=True)))
        return Tensors(len(rows), binding.shapes, data, binding.terms), left_out

    def answer(
        self,
        request: Any,
        left_out: Mapping[int, GatewayError],
        outputs: Tensors,
        arm: Arm,
        features: Sequence[Features] = (),  # noqa: ARG002 - the items know
    ) -> bytes:
        """Turns rows of outputs into results, in the order of the items."""
        fill = self.item.bindings[arm.version.number].fill
        response, row = self.response(), 0
        results = getattr(response, self.results)
        for position, item in enumerate(self.items(request)):
            result = results.add()
            error: GatewayError | None = left_out.get(position)
            if error is None:
                try:
                    getattr(result, self.answered).CopyFrom(fill(item, outputs, row, arm))
                except GatewayError as failure:
                    error = failure
                row += 1
            if error is not None:
                getattr(result, self.refused).MergeFromString(self.status_of(error))
        return bytes(response.SerializeToString())

    def items(self, request: Any) -> Sequence[Any]:
        """Returns the items of a request."""
        items: Sequence[Any] = getattr(request, self.field)
        return items

    def part(self, request: Any, positions: Sequence[int]) -> Any:
        """Returns a request that has some of the items, in this order."""
        items = self.items(request)
        return self.request(**{self.field: [items[position] for position in positions]})

    def join(self, request: Any, parts: Sequence[tuple[Sequence[int], bytes | GatewayError]]) -> bytes:
        """Makes one serialised response of those to the parts; the items of a part that failed have its status."""
        results = dict[int, Any]()
        for positions, answer in parts:
            if isinstance(answer, GatewayError):
                response = self.response()
                for _ in positions:
                    getattr(getattr(response, self.results).add(), self.refused).MergeFromString(self.status_of(answer))
            else:
                response = self.response.FromString(answer)
            results |= zip(positions, getattr(response, self.results), strict=True)
        whole = self.response(**{self.results: [results[position] for position in range(len(self.items(request)))]})
        return bytes(whole.SerializeToString())

    def unit(self, item: Any) -> str:
        """Returns the unit of an item; empty if it has none."""
        return self.item.unit(item)

    def value(self, item: Any, path: str) -> str | None:
        """Returns a field of an item as a text; None if it has no such field."""
        return self.item.value(item, path)

    def check_size(self, items: int, arm: Arm) -> None:
        """Checks the number of items.

        Raises:
            InvalidRequest: There are none, or too many.
        """
        limit = min(MOST_ITEMS, arm.version.max_batch_size)
        if not items:
            raise InvalidFields([(self.field, f"is required; send 1 to {limit} items")])
        if items > limit:
            raise InvalidRequest(
                "BATCH_TOO_LARGE", f"{items} items in one call; send at most {limit}", limit=str(limit)
            )


def bind_batch(
    method: AnnotatedMethod, item: TypedMethod, item_response: Any, model: Model, status_of: StatusOf
) -> BatchMethod:
    """Binds a batch method to the method that scores one item.

    Raises:
        ContractError: Its messages do not have the form that `Serving.batch_of` describes, or the champion takes no
            batches.
    """
    items, asked = repeated_field(method, method.request.DESCRIPTOR)
    results, result = repeated_field(method, method.response.DESCRIPTOR)
    if asked is not item.request.DESCRIPTOR:
        raise misfit(method, f"'{items}' must hold {item.request.DESCRIPTOR.full_name}")
    without = {number for number, version in model.versions.items() if not version.max_batch_size}
    if model.champion.version.number in without:
        raise misfit(method, f"model '{item.model}' takes no batches")
    fields = {field.message_type.full_name: field.name for field in result.fields if field.message_type}
    if item_response.DESCRIPTOR.full_name not in fields or STATUS not in fields:
        raise misfit(method, f"'{results}' must offer {item_response.DESCRIPTOR.full_name} or {STATUS}")
    return BatchMethod(
        item=item,
        request=method.request,
        response=method.response,
        field=items,
        results=results,
        answered=fields[item_response.DESCRIPTOR.full_name],
        refused=fields[STATUS],
        status_of=status_of,
        misfits={number: misfit(method, f"version {number} takes no batches") for number in without},
    )


def repeated_field(method: AnnotatedMethod, message: Descriptor) -> tuple[str, Descriptor]:
    """Returns the name of the one field of a batch message, and the message that it repeats.

    Raises:
        ContractError: There is not exactly one, or it is not a list of messages.
    """
    fields = list(message.fields)
    if len(fields) != 1 or not fields[0].is_repeated or fields[0].message_type is None:
        raise misfit(method, f"{message.full_name} must have one repeated field of messages")
    return fields[0].name, fields[0].message_type
