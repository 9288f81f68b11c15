"""Reads a catalog: which models are live, in which versions, who answers, and which feature views there are."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from erpml.catalog.v1 import catalog_pb2
from erpml.types.v1 import feature_view_pb2

from gateway.catalog.edition import Edition
from gateway.catalog.experiments import read_experiments
from gateway.errors import CatalogError
from gateway.feature_views import FeatureView
from gateway.types import Arm, Model, ModelVersion, Placement, Shadow, Signature, TensorSpec

FULL_WEIGHT = 10_000
CHAMPIONS = (catalog_pb2.ARM_KIND_UNSPECIFIED, catalog_pb2.ARM_KIND_CHAMPION)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One generation of the catalog.

    Attributes:
        generation: Its number; 0 before there is a catalog.
        models: Live models by name.
        views: Declared feature views by name.
        faults: Why others stayed as they were, or are left out, by what they are.
        created_ns: When it was written, in nanoseconds since 1970; 0 if it does not say.
    """

    generation: int = 0
    models: Mapping[str, Model] = field(default_factory=dict)
    views: Mapping[str, FeatureView] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)
    created_ns: int = field(default=0, compare=False)

    def versions(self) -> set[ModelVersion]:
        """Returns every live version of every model."""
        return {version for model in self.models.values() for version in model.versions.values()}


def read_snapshot(edition: Edition, previous: Snapshot) -> Snapshot:
    """Reads a catalog; versions and views that were live before stay the same objects.

    Raises:
        CatalogError: It contradicts itself, or is older than `previous`.
    """
    message = edition.message
    if message.generation < max(previous.generation, 1):
        raise CatalogError(
            f"{edition.origin} has generation {message.generation} and {previous.generation} is live; "
            "if the catalog was lost and begun anew, restart the gateway",
        )
    faults = dict[str, str]()
    models = [read_model(model, previous.models.get(model.name), faults) for model in message.models]
    views = read_views(message.feature_views, previous.views, faults)
    created_ns = message.created_at.ToNanoseconds()
    return Snapshot(message.generation, {model.name: model for model in models}, views, faults, created_ns)


def read_views(
    messages: Iterable[feature_view_pb2.FeatureView], previous: Mapping[str, FeatureView], faults: dict[str, str]
) -> dict[str, FeatureView]:
    """Reads the feature views; one that contradicts itself stays as it was, or out, and costs no other anything."""
    views = dict[str, FeatureView]()
    for message in messages:
        name, known = message.name, previous.get(message.name)
        try:
            view = FeatureView.read(message)
        except CatalogError as error:
            faults[f"feature view {name}"] = error.message
            views |= {name: known} if known else {}
        else:
            views[name] = known if known is not None and known == view else view
    return views


def read_model(message: catalog_pb2.Model, previous: Model | None, faults: dict[str, str]) -> Model:
    """Reads one model; its champion is the first of its arms.

    An experiment that contradicts itself is left out, and costs the model nothing else.

    Args:
        message: The model.
        previous: What was live of it before.
        faults: Gets why experiments were left out.

    Raises:
        CatalogError: Its arms name versions that are not there, or divide the traffic.
    """
    known = previous.versions if previous else {}
    versions = {entry.number: read_version(message, entry, known.get(entry.number)) for entry in message.versions}
    check_arms(message, versions)
    arms = sorted(message.arms, key=weight_of, reverse=True)
    shadows = [arm for arm in arms if arm.kind == catalog_pb2.ARM_KIND_SHADOW]
    return Model(
        name=message.name,
        versions=versions,
        arms=tuple(Arm(arm.name, versions[arm.version]) for arm in arms if arm not in shadows),
        policy={name: tuple(value.values) for name, value in message.policy.items()},
        shadows=tuple(read_shadow(arm, versions) for arm in shadows if arm.mirrored_basis_points),
        experiments=read_experiments(message, faults),
    )


def read_shadow(message: catalog_pb2.Arm, versions: Mapping[int, ModelVersion]) -> Shadow:
    """Reads who is asked beside the champion."""
    return Shadow(message.name, versions[message.version], min(message.mirrored_basis_points / FULL_WEIGHT, 1.0))


def check_arms(message: catalog_pb2.Model, versions: Mapping[int, ModelVersion]) -> None:
    """Checks that every arm has a version and a name of its own, and that one of them takes all traffic.

    Raises:
        CatalogError: It is not so.
    """
    missing = any(arm.version not in versions for arm in message.arms)
    if missing or sum(arm.weight_basis_points for arm in message.arms) != FULL_WEIGHT:
        raise CatalogError(
            f"the arms of '{message.name}' must name live versions and weigh {FULL_WEIGHT} together; publish again",
            model=message.name,
        )
    if len({arm.name for arm in message.arms}) < len(message.arms):
        raise CatalogError(f"two arms of '{message.name}' have the same name; publish again", model=message.name)
    champion = max(message.arms, key=weight_of)
    if champion.weight_basis_points != FULL_WEIGHT:
        raise CatalogError(
            f"the arms of '{message.name}' divide its traffic; this release gives all of it to one: "
            f"let the champion weigh {FULL_WEIGHT} and the others 0",
            model=message.name,
        )
    if champion.kind not in CHAMPIONS:
        raise CatalogError(
            f"'{champion.name}' takes all traffic of '{message.name}' and is no champion; publish again",
            model=message.name,
        )


def weight_of(arm: catalog_pb2.Arm) -> int:
    """Returns the share of an arm, in hundredths of a percent."""
    return arm.weight_basis_points


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
