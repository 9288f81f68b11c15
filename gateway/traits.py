"""What a model's configuration says of how it is to be called."""

from dataclasses import dataclass
from typing import Any

from tritonclient.grpc import model_config_pb2


@dataclass(frozen=True, slots=True)
class Traits:
    """How a model is to be called.

    Attributes:
        batches: Whether calls may be merged: whether the model has a batch dimension.
        keeps_state: Whether it keeps state along a sequence of calls.
        decoupled: Whether a request may get several responses, or none.
        instances: Batches that one node computes at the same time.
    """

    batches: bool
    keeps_state: bool
    decoupled: bool
    instances: int


def read_traits(config: bytes) -> Traits:
    """Reads a serialised `inference.ModelConfig`."""
    model = model_config_pb2.ModelConfig.FromString(config)
    return Traits(
        batches=model.max_batch_size > 0,
        keeps_state=model.HasField("sequence_batching"),
        decoupled=model.model_transaction_policy.decoupled,
        instances=max(sum(map(instances_of, model.instance_group)), 1),
    )


def instances_of(group: Any) -> int:
    """Returns how many instances a group has: its count, on each of its devices."""
    return int(max(group.count, 1) * max(len(group.gpus), 1))
