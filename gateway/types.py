"""Values that pass between the stages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

Policy = Mapping[str, tuple[float, ...]]

# Bytes that are read where they lie: large tensors are views of the message that brought them.
Buffer = bytes | memoryview


class Placement(Enum):
    """Kind of node that a model runs on."""

    CPU = "cpu"
    GPU = "gpu"


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One tensor of a signature.

    Attributes:
        name: Name in the model's graph.
        datatype: KServe v2 name of the element type.
        dims: Shape of one row, without the batch dimension; -1 where any size fits.
        columns: Names of the elements of one row, or empty; for an output, its class labels.
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
        placement: Pool of nodes that serves it.
    """

    model: str
    number: int
    signature: Signature
    max_batch_size: int
    sha256: str
    placement: Placement = Placement.CPU


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
    data: tuple[Buffer, ...]


class Call(NamedTuple):
    """One call as it came in.

    Attributes:
        message: Serialised request.
        api_key: Key of the caller, if it sent one.
        deadline: When the caller stops waiting, in seconds of the event loop's clock.
        ends_on_failure: Whether a model's failure is to end the caller's stream.
    """

    message: bytes
    api_key: str | None
    deadline: float | None
    ends_on_failure: bool = False


@dataclass(slots=True)
class Timing:
    """How often something happened, and how long it took altogether."""

    count: int = 0
    seconds: float = 0.0

    def add(self, seconds: float, count: int = 1) -> None:
        """Counts `count` more, which took `seconds` together."""
        self.count += count
        self.seconds += seconds


@dataclass(slots=True)
class Statistics:
    """What a model version has done since it was loaded: exact, and read without stopping it.

    Attributes:
        succeeded: Calls that got an answer, from their arrival in the lane.
        failed: Calls that got an error.
        queued: Time that answered calls spent waiting for their batch.
        computed: Batches that the backend answered.
        rows: Rows of those batches.
        batch_sizes: The same batches by their number of rows.
        last_call: When the latest call came, in seconds since 1970; 0 before the first.
        expired: Calls whose deadline passed while they waited.
        refused: Calls that found the lane full.
        retried: Calls that were tried apart after their batch failed.
    """

    succeeded: Timing = field(default_factory=Timing)
    failed: Timing = field(default_factory=Timing)
    queued: Timing = field(default_factory=Timing)
    computed: Timing = field(default_factory=Timing)
    rows: int = 0
    batch_sizes: dict[int, Timing] = field(default_factory=dict)
    last_call: float = 0.0
    expired: int = 0
    refused: int = 0
    retried: int = 0
