"""The catalog on disk: read, compose the next snapshot, replace in one step."""

import time
from collections.abc import Iterable
from pathlib import Path

from erpml.catalog.v1 import catalog_pb2
from google.protobuf.message import DecodeError

from converters import Conversion, TensorSpec
from hub.durability import write_file
from hub.errors import HubError
from hub.placement import Placement
from hub.policy import Policy

MAX_BATCH_SIZE = 1024
_WHOLE_BASIS_POINTS = 10_000


def read_catalog(path: Path) -> catalog_pb2.Catalog:
    """Returns the snapshot, or an empty one of generation 0 before the first.

    Raises:
        HubError: The file is not a catalog.
    """
    try:
        return catalog_pb2.Catalog.FromString(path.read_bytes())
    except FileNotFoundError:
        return catalog_pb2.Catalog()
    except DecodeError as error:
        raise HubError(f"{path} is not a catalog: restore it, or remove it and publish again") from error


def write_catalog(path: Path, catalog: catalog_pb2.Catalog) -> None:
    """Replaces the snapshot that gateways watch."""
    write_file(path, catalog.SerializeToString(deterministic=True))


def find_model(catalog: catalog_pb2.Catalog, name: str) -> catalog_pb2.Model | None:
    """Returns what is live of a model."""
    return next((model for model in catalog.models if model.name == name), None)


def replace_model(catalog: catalog_pb2.Catalog, name: str, model: catalog_pb2.Model | None) -> catalog_pb2.Catalog:
    """Returns the next snapshot, in which `model` stands for `name`, or nothing does."""
    models = [other for other in catalog.models if other.name != name] + ([model] if model else [])
    following = catalog_pb2.Catalog(
        generation=catalog.generation + 1, models=sorted(models, key=lambda each: each.name)
    )
    following.created_at.FromNanoseconds(time.time_ns())
    return following


def compose_model(
    name: str,
    team: str,
    version: catalog_pb2.Version,
    policy: Policy,
    placement: Placement = catalog_pb2.PLACEMENT_CPU,
) -> catalog_pb2.Model:
    """Returns a model whose one version takes all traffic."""
    champion = catalog_pb2.Arm(name="champion", version=version.number, weight_basis_points=_WHOLE_BASIS_POINTS)
    return catalog_pb2.Model(
        name=name,
        team=team,
        versions=[version],
        arms=[champion],
        policy={key: catalog_pb2.PolicyValue(values=values) for key, values in policy.items()},
        placement=placement,
    )


def compose_signature(conversion: Conversion) -> catalog_pb2.Signature:
    """Returns a conversion's signature in the catalog's words."""
    return catalog_pb2.Signature(
        inputs=_tensors(conversion.signature.inputs), outputs=_tensors(conversion.signature.outputs)
    )


def _tensors(specs: Iterable[TensorSpec]) -> list[catalog_pb2.Tensor]:
    return [
        catalog_pb2.Tensor(name=spec.name, datatype=spec.datatype, dims=spec.dims, columns=spec.columns)
        for spec in specs
    ]
