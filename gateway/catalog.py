"""Reads the catalog: the snapshot that the hub writes of everything that is live."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from erpml.catalog.v1 import catalog_pb2
from google.protobuf.message import DecodeError

from gateway.errors import CatalogError
from gateway.types import Arm, Model, ModelVersion, Placement, Signature, TensorSpec

FULL_WEIGHT = 10_000


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One generation of the catalog."""

    generation: int = 0
    models: Mapping[str, Model] = field(default_factory=dict)

    def versions(self) -> set[ModelVersion]:
        """Returns every live version of every model."""
        return {version for model in self.models.values() for version in model.versions.values()}


def read_snapshot(path: Path, previous: Snapshot) -> Snapshot:
    """Reads a catalog file; versions that were live before stay the same objects.

    Raises:
        CatalogError: The file is missing, is not a catalog, contradicts itself, or is older than `previous`.
    """
    try:
        message = catalog_pb2.Catalog.FromString(path.read_bytes())
    except OSError as error:
        raise CatalogError(f"cannot read {path}: {error.strerror}") from error
    except DecodeError as error:
        raise CatalogError(f"{path} is not a catalog; publish again") from error
    if message.generation < max(previous.generation, 1):
        raise CatalogError(
            f"{path} has generation {message.generation} and {previous.generation} is live; "
            "if the catalog was lost and begun anew, restart the gateway",
        )
    models = [read_model(model, previous.models.get(model.name)) for model in message.models]
    return Snapshot(message.generation, {model.name: model for model in models})


def read_model(message: catalog_pb2.Model, previous: Model | None) -> Model:
    """Reads one model.

    Raises:
        CatalogError: Its arms name versions that are not there, do not add up, or are several.
    """
    known = previous.versions if previous else {}
    versions = {entry.number: read_version(message, entry, known.get(entry.number)) for entry in message.versions}
    missing = [arm.name for arm in message.arms if arm.version not in versions]
    if missing or sum(arm.weight_basis_points for arm in message.arms) != FULL_WEIGHT:
        raise CatalogError(
            f"the arms of '{message.name}' must name live versions and weigh {FULL_WEIGHT} together; publish again",
            model=message.name,
        )
    if len(message.arms) > 1:
        raise CatalogError(f"'{message.name}' has several arms; this release serves one", model=message.name)
    return Model(
        name=message.name,
        versions=versions,
        arms=tuple(Arm(arm.name, versions[arm.version]) for arm in message.arms),
        policy={name: tuple(value.values) for name, value in message.policy.items()},
    )


def read_version(model: catalog_pb2.Model, message: catalog_pb2.Version, previous: ModelVersion | None) -> ModelVersion:
    """Reads one version, or returns the object that stands for it already."""
    signature = Signature(
        inputs=tuple(map(read_tensor, message.signature.inputs)),
        outputs=tuple(map(read_tensor, message.signature.outputs)),
    )
    placement = Placement.GPU if model.placement == catalog_pb2.PLACEMENT_GPU else Placement.CPU
    version = ModelVersion(model.name, message.number, signature, message.max_batch_size, message.sha256, placement)
    return previous if previous is not None and same(previous, version) else version


def same(one: ModelVersion, other: ModelVersion) -> bool:
    """Says whether two objects stand for the same version, byte for byte."""
    return (one.sha256, one.signature, one.max_batch_size, one.placement) == (
        other.sha256,
        other.signature,
        other.max_batch_size,
        other.placement,
    )


def read_tensor(message: catalog_pb2.Tensor) -> TensorSpec:
    """Reads one tensor of a signature."""
    return TensorSpec(message.name, message.datatype, tuple(message.dims), tuple(message.columns))
