"""A backend that answers, fails or hangs as a script says, and tells who is sent to it."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from struct import Struct

from tritonclient.grpc import model_config_pb2

from gateway.errors import ModelFailed, Unavailable
from gateway.testing import FakeBackend
from gateway.traces import BatchTrace
from gateway.types import ModelVersion, Tensors

# What a row begins with: the number of its call, its own number in the call, and whether the model fails on it.
ROW = Struct("<IHH")
Row = tuple[int, int, int]

# After this long whatever hangs fails, so that no run is without an end.
HANGING_SECONDS = 20.0


class Fate(Enum):
    """What becomes of a batch."""

    ANSWERED = "answered"
    UNAVAILABLE = "unavailable"
    HANGING = "hanging"


@dataclass(slots=True)
class Erratic(FakeBackend):
    """A backend that answers each row with itself.

    Attributes:
        sent: Is told of every batch that comes, and its rows.
        ended: Is told of every batch that has its answer or its error.
        sequences: Whether every model keeps state along a sequence.
        places_now: Batches that it says it computes side by side.
        fates: What becomes of the next batches, and after how many seconds.
        under_way: Batches that have no answer yet, by version.
        answered: Rows of each batch that was answered, by version.
    """

    sent: Callable[[ModelVersion, Tensors, list[Row]], None] = lambda *_: None
    ended: Callable[[list[Row]], None] = lambda _: None
    sequences: bool = False
    places_now: int = 1
    fates: deque[tuple[Fate, float]] = field(default_factory=deque)
    under_way: dict[ModelVersion, int] = field(default_factory=dict)
    answered: dict[ModelVersion, list[int]] = field(default_factory=dict)

    def config(self, version: ModelVersion) -> bytes:
        """Returns a configuration of the version's batch size, with sequences or without."""
        config = model_config_pb2.ModelConfig(max_batch_size=version.max_batch_size)
        if self.sequences:
            config.sequence_batching.SetInParent()
        return bytes(config.SerializeToString())

    def places(self, version: ModelVersion) -> int:  # noqa: ARG002 - the same for all
        """Returns the places of this moment."""
        return self.places_now

    async def infer(
        self,
        version: ModelVersion,
        inputs: Tensors,
        deadline: float | None,
        *,
        trace: BatchTrace | None = None,  # noqa: ARG002 - nothing is noted
    ) -> Tensors:
        """Lets happen to the batch what comes next in the script."""
        step = len(inputs.data[0]) // inputs.rows
        rows: list[Row] = [ROW.unpack_from(inputs.data[0], start) for start in range(0, inputs.rows * step, step)]
        self.under_way[version] = self.under_way.get(version, 0) + 1
        fate, seconds = self.fates.popleft() if self.fates else (Fate.ANSWERED, 0.01)
        if fate is Fate.HANGING:
            left = HANGING_SECONDS if deadline is None else deadline - asyncio.get_running_loop().time()
            seconds = min(left + seconds, HANGING_SECONDS)
        try:
            self.sent(version, inputs, rows)
            await asyncio.sleep(seconds)
        finally:
            self.under_way[version] -= 1
            self.ended(rows)
        if fate is not Fate.ANSWERED:
            raise Unavailable("NODE_UNAVAILABLE", f"the batch was to be {fate.value}")
        if any(poisoned for _, _, poisoned in rows):
            raise ModelFailed(version.model, version.number, "failed on a poisoned row")
        self.answered.setdefault(version, []).append(inputs.rows)
        return Tensors(inputs.rows, inputs.shapes, inputs.data)
