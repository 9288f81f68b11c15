"""Divides the tensors of a row between what a request feeds for all rows and what each row feeds itself."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, repeat

from gateway.contracts.columns import check_shape, column_names
from gateway.contracts.descriptors import AnnotatedMethod
from gateway.types import Signature, TensorSpec


@dataclass(frozen=True, slots=True)
class Segment:
    """Neighbouring columns of a tensor that one side feeds.

    Attributes:
        spec: The columns, as a tensor.
        own: Whether each row feeds them itself.
    """

    spec: TensorSpec
    own: bool


@dataclass(frozen=True, slots=True)
class Segments:
    """The tensors of a row, each as the segments that lie behind each other in it."""

    tensors: tuple[tuple[Segment, ...], ...]

    def signature(self, *, own: bool) -> Signature:
        """Returns the segments of one side, as the inputs of a model."""
        return Signature(tuple(each.spec for tensor in self.tensors for each in tensor if each.own is own), ())

    def join(self, shared: Sequence[bytes], rows: Sequence[Sequence[bytes]]) -> tuple[bytes, ...]:
        """Returns the tensors of all rows.

        Args:
            shared: The segments of the request.
            rows: The segments of each row; one row at least.
        """
        ours, theirs = iter(shared), iter(zip(*rows, strict=True))
        count = len(rows)
        joined = []
        for tensor in self.tensors:
            parts = [next(theirs) if each.own else repeat(next(ours), count) for each in tensor]
            joined.append(b"".join(chain.from_iterable(zip(*parts, strict=True)) if len(parts) > 1 else parts[0]))
        return tuple(joined)


def divide(method: AnnotatedMethod, signature: Signature, own: set[str]) -> Segments:
    """Divides the tensors of a model.

    Args:
        method: The method.
        signature: Of the model.
        own: Columns that rows feed themselves.

    Raises:
        ContractError: A row of a tensor has no fixed number of elements, one for each column.
    """
    for spec in signature.inputs:
        check_shape(method, spec)
    return Segments(tuple(tuple(divide_tensor(spec, own)) for spec in signature.inputs))


def divide_tensor(spec: TensorSpec, own: set[str]) -> Iterator[Segment]:
    """Yields the segments of a tensor."""
    for is_own, names in groupby(column_names(spec), own.__contains__):
        columns = tuple(names)
        yield Segment(TensorSpec(spec.name, spec.datatype, (len(columns),), columns), is_own)
