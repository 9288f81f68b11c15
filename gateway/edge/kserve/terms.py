"""Reads what a KServe v2 request wants of its model beside an answer to its inputs."""

from collections.abc import Iterable
from typing import Any

from tritonclient.grpc import service_pb2

from gateway.edge.kserve.parameters import FINAL_RESPONSE
from gateway.types import PLAIN, ModelVersion, Terms

# What the gateway sees to itself: who goes first, and how a stream ends.
NOT_THE_MODELS = ("priority", FINAL_RESPONSE)


def read_terms(request: Any, positions: Iterable[int], version: ModelVersion) -> Terms:
    """Returns the terms of a request that fits its model.

    Models can read the id of a request too. It goes along where a request is alone in its batch anyway: with a model
    that has no batch dimension, and in a sequence.

    Args:
        request: `inference.ModelInferRequest`.
        positions: Of the outputs that it wants, ascending.
        version: Who answers.
    """
    if not request.outputs and not request.parameters and version.max_batch_size:
        return PLAIN
    outputs = tuple(positions)
    if len(outputs) == len(version.signature.outputs):
        outputs = ()
    alone = not version.max_batch_size or "sequence_id" in request.parameters
    return Terms(outputs, own_parameters(request, with_id=alone))


def own_parameters(request: Any, *, with_id: bool) -> bytes:
    """Returns the parameters that a model can read, as Triton's servers take them; nothing where there are none."""
    own = service_pb2.ModelInferRequest(id=request.id if with_id else "")
    for name, value in request.parameters.items():
        if name not in NOT_THE_MODELS:
            own.parameters[name].CopyFrom(value)
    return bytes(own.SerializeToString(deterministic=True))
