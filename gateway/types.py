"""Values that pass between the stages."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, IntEnum
from typing import NamedTuple

from gateway.errors import ModelFailed
from gateway.experiments import Experiment

Policy = Mapping[str, tuple[float, ...]]

# Name of the arm of a version that is loaded and that no arm names.
PINNED = "pinned"

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


class Assignment(IntEnum):
    """How the arm of a call was chosen, with the numbers of the contract."""

    CHAMPION = 1
    UNIT = 2
    CALL = 3
    PINNED = 4
    SUBSTITUTED = 5


@dataclass(frozen=True, slots=True)
class Shadow:
    """A version that is asked beside the champion, whose answers are compared and dropped.

    Attributes:
        name: Of its arm.
        version: Who is asked.
        share: Share of the champion's calls that it is asked too, from 0 to 1.
    """

    name: str
    version: ModelVersion
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Arm:
    """Who answers a call, and why.

    Attributes:
        name: `champion`, a challenger's name, or that of a version which only pins reach.
        version: Who answers.
        experiment: Name of the experiment that took the call, or nothing.
        assignment: How the arm was chosen.
        shadows: Who is asked beside it.
    """

    name: str
    version: ModelVersion
    experiment: str = ""
    assignment: Assignment = Assignment.CHAMPION
    shadows: tuple[Shadow, ...] = ()


@dataclass(frozen=True, slots=True)
class Model:
    """What of a registered model is live.

    Attributes:
        name: Registered name.
        versions: Versions that are loaded, by number; callers may pin each of them.
        arms: Who may answer: the champion, which is the first, and challengers.
        policy: Values that replace those of the contract.
        shadows: Who is asked beside the champion.
        experiments: What divides calls among the arms, in the order in which they are asked.
    """

    name: str
    versions: Mapping[int, ModelVersion]
    arms: tuple[Arm, ...]
    policy: Policy
    shadows: tuple[Shadow, ...] = ()
    experiments: tuple[Experiment, ...] = ()

    @property
    def champion(self) -> Arm:
        """The arm that answers unless something else was decided."""
        return self.arms[0]

    def named(self) -> dict[str, ModelVersion]:
        """Returns the version of each arm and each shadow, by its name."""
        arms = {arm.name: arm.version for arm in self.arms}
        return arms | {shadow.name: shadow.version for shadow in self.shadows}

    def without(self, numbers: Collection[int]) -> "Model":
        """Returns the model without some versions, and without the arms and shadows that name them."""
        versions = {number: version for number, version in self.versions.items() if number not in numbers}
        arms = tuple(arm for arm in self.arms if arm.version.number in versions)
        shadows = tuple(shadow for shadow in self.shadows if shadow.version.number in versions)
        return replace(self, versions=versions, arms=arms, shadows=shadows)


class Priority(IntEnum):
    """Class of a call; where calls wait, a lower number goes first."""

    HIGH = 0
    NORMAL = 1
    LOW = 2


PRIORITIES: Mapping[str, Priority] = {priority.name.lower(): priority for priority in Priority}


class Terms(NamedTuple):
    """What a call wants of its model beside an answer to its inputs; calls share a batch only if it is equal.

    Attributes:
        outputs: Positions in the signature of the outputs that are wanted, ascending; none means all.
        parameters: The parameters of the request that are the model's own, as a serialised `ModelInferRequest` that
            has nothing else.
    """

    outputs: tuple[int, ...] = ()
    parameters: bytes = b""


PLAIN = Terms()


class Tensors(NamedTuple):
    """The inputs or outputs of one call or one batch, in signature order.

    One or two are made for every call: a named tuple costs half of what a frozen dataclass does.

    Attributes:
        rows: Rows of every tensor; 1 for a model without batch dimension.
        shapes: Shape of one row of each tensor.
        data: Elements of each tensor, row-major, little-endian; BYTES elements behind their 4-byte length.
        terms: What is wanted of the model, for inputs. Outputs of inputs whose terms name some are those alone.
        seconds: How long the backend took, for outputs of a lane: a call's part of its batch, by rows.
    """

    rows: int
    shapes: tuple[tuple[int, ...], ...]
    data: tuple[Buffer, ...]
    terms: Terms = PLAIN
    seconds: float = 0.0


class Response(NamedTuple):
    """One of the responses that a decoupled model sends to one request.

    Attributes:
        outputs: What it holds, which may be nothing; `terms` says which outputs, and has the response's parameters.
        failure: What the model says went wrong; it may send more all the same.
    """

    outputs: Tensors
    failure: ModelFailed | None = None


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
    """What a model version has done since it was loaded, for all tenants or for one: exact, read without stopping it.

    Attributes:
        succeeded: Calls that got an answer, from their arrival in the lane.
        failed: Calls that got an error, or that nobody awaited any more.
        queued: Time that answered calls spent waiting for their batch.
        computed: Batches that the backend answered. Of one that several tenants share, each has its own rows and the
            part of the time that falls to them: batches of tenants add up to more than all, rows and seconds do not.
        rows: Rows of those batches.
        batch_sizes: The same batches by their number of rows.
        last_call: When the latest call came, in seconds since 1970; 0 before the first.
        expired: Calls whose deadline passed before their answer.
        cancelled: Calls whose callers left before their answer, for another reason.
        refused: Calls that found the lane full, or too slow for their deadline.
        retried: Calls that were tried apart after their batch failed.
    """

    succeeded: Timing = field(default_factory=Timing)
    failed: Timing = field(default_factory=Timing)
    queued: Timing = field(default_factory=Timing)
    computed: Timing = field(default_factory=Timing)
    rows: int = 0
    batch_sizes: defaultdict[int, Timing] = field(default_factory=lambda: defaultdict(Timing))
    last_call: float = 0.0
    expired: int = 0
    cancelled: int = 0
    refused: int = 0
    retried: int = 0
