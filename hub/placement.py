"""Which kind of node a model runs on, as its registered model's tag says: `placement` = `cpu` or `gpu`."""

from collections.abc import Mapping
from typing import TypeAlias

from erpml.catalog.v1 import catalog_pb2

from hub.errors import ModelRefusedError

TAG = "placement"
VARIABLES = {catalog_pb2.PLACEMENT_CPU: "GAPURA_NODES", catalog_pb2.PLACEMENT_GPU: "GAPURA_GPU_NODES"}

Placement: TypeAlias = catalog_pb2.Placement.ValueType

_PLACEMENTS: Mapping[str, Placement] = {"cpu": catalog_pb2.PLACEMENT_CPU, "gpu": catalog_pb2.PLACEMENT_GPU}


def parse_placement(tags: Mapping[str, str]) -> Placement:
    """Reads the placement out of all tags of a model; without the tag it is `cpu`.

    Raises:
        ModelRefusedError: The tag says something else.
    """
    text = tags.get(TAG, "cpu")
    if text not in _PLACEMENTS:
        raise ModelRefusedError(f"tag {TAG} is {text!r}: write {' or '.join(_PLACEMENTS)}")
    return _PLACEMENTS[text]


def placement_of(model: catalog_pb2.Model) -> Placement:
    """Returns a live model's placement; a catalog that says none means CPU."""
    return model.placement or catalog_pb2.PLACEMENT_CPU
