"""Values that pass between the stages."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

Policy = Mapping[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One tensor of a signature.

    Attributes:
        name: Name in the model's graph.
        datatype: KServe v2 name of the element type.
        dims: Shape of one row, without the batch dimension; -1 where any size fits.
        columns: Names of the elements of one row, or empty.
    """

    name: str
    datatype: str
    dims: tuple[int, ...]
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Signature:
    """Inputs and outputs of a model, in the order of its graph."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ModelVersion:
    """One version of a model. The same version is the same object for as long as it is served.

    Attributes:
        model: Registered name.
        number: Version in the registry, from 1.
        signature: Inputs and outputs.
        max_batch_size: Most rows of one batch; 0 when the model has no batch dimension.
        sha256: Digest of the model file.
    """

    model: str
    number: int
    signature: Signature
    max_batch_size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Arm:
    """A share of a model's traffic and the version that answers it."""

    name: str
    version: ModelVersion


@dataclass(frozen=True, slots=True)
class Model:
    """What of a registered model is live."""

    name: str
    versions: Mapping[int, ModelVersion]
    arms: tuple[Arm, ...]
    policy: Policy


class Tensors(NamedTuple):
    """The inputs or outputs of one call or one batch, in signature order.

    One or two are made for every call: a named tuple costs half of what a frozen dataclass does.

    Attributes:
        rows: Rows of every tensor; 1 for a model without batch dimension.
        shapes: Shape of one row of each tensor.
        data: Elements of each tensor, row-major, little-endian; BYTES elements behind their 4-byte length.
    """

    rows: int
    shapes: tuple[tuple[int, ...], ...]
    data: tuple[bytes, ...]


class Call(NamedTuple):
    """One call as it came in.

    Attributes:
        message: Serialised request.
        api_key: Key of the caller, if it sent one.
        deadline: When the caller stops waiting, in seconds of the event loop's clock.
    """

    message: bytes
    api_key: str | None
    deadline: float | None
