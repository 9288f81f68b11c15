"""Composes what the catalog says of a model."""

import hashlib
from collections.abc import Iterable, Mapping

from erpml.catalog.v1 import catalog_pb2

from converters import Conversion, Signature, TensorSpec
from hub.placement import Placement
from hub.policy import Policy
from hub.registry.aliases import kind_of, served
from hub.registry.records import CHAMPION, RegisteredVersion

_WHOLE_BASIS_POINTS = 10_000
_KINDS = {
    "champion": catalog_pb2.ARM_KIND_CHAMPION,
    "challenger": catalog_pb2.ARM_KIND_CHALLENGER,
    "shadow": catalog_pb2.ARM_KIND_SHADOW,
}

Arms = Mapping[str, catalog_pb2.Version]


def compose_model(  # noqa: PLR0913 - a model is described by these
    name: str,
    team: str,
    arms: Arms,
    *,
    policy: Policy,
    placement: Placement = catalog_pb2.PLACEMENT_CPU,
    previous: catalog_pb2.Version | None = None,
) -> catalog_pb2.Model:
    """Returns a model whose champion takes all traffic.

    What has other tensors than the champion is left out: one Triton model has one set of tensors.

    Args:
        name: Registered name.
        team: Owner.
        arms: Version of each arm, by alias; the champion is one of them.
        policy: Its policy values.
        placement: Kind of node that serves it.
        previous: Version that stays loaded for a rollback.
    """
    champion = arms[CHAMPION]
    fitting = {alias: arms[alias] for alias in served(arms) if same_tensors(arms[alias], champion)}
    loaded = {version.number: version for version in fitting.values()}
    if previous is not None and same_tensors(previous, champion) and previous.number != champion.number:
        loaded.setdefault(previous.number, previous)
    else:
        previous = None
    return catalog_pb2.Model(
        name=name,
        team=team,
        versions=[loaded[number] for number in sorted(loaded)],
        arms=[_arm(alias, version) for alias, version in fitting.items()],
        policy={key: catalog_pb2.PolicyValue(values=values) for key, values in policy.items()},
        placement=placement,
        previous_version=previous.number if previous else 0,
    )


def compose_version(version: RegisteredVersion, digest: str, conversion: Conversion) -> catalog_pb2.Version:
    """Returns a converted version in the catalog's words; `digest` is that of its artifacts."""
    report = conversion.report
    return catalog_pb2.Version(
        number=version.number,
        signature=compose_signature(conversion.signature),
        max_batch_size=conversion.max_batch_size,
        sha256=hashlib.sha256(conversion.onnx).hexdigest(),
        run_id=version.run_id,
        source=version.source,
        artifact_digest=digest,
        parity=catalog_pb2.ModelProof(
            rows=report.rows,
            max_abs_diff=report.max_abs_diff,
            tolerance=report.tolerance,
            relative=report.relative,
        ),
    )


def compose_signature(signature: Signature) -> catalog_pb2.Signature:
    """Returns a graph's tensors in the catalog's words."""
    return catalog_pb2.Signature(inputs=_tensors(signature.inputs), outputs=_tensors(signature.outputs))


def differences(before: catalog_pb2.Model, after: catalog_pb2.Model) -> list[str]:
    """Says in words what changes where nothing has to be loaded."""
    old, new = ({arm.name: arm.version for arm in model.arms} for model in (before, after))
    words = []
    for alias in served({*old, *new}):
        if alias in new and old.get(alias) != new[alias]:
            words.append(f"{alias} is version {new[alias]}{f' instead of {old[alias]}' if alias in old else ''}")
        elif alias in old and alias not in new:
            words.append(f"no {alias} any more")
    changed = {"team": before.team != after.team, "policy": dict(before.policy) != dict(after.policy)}
    changed["placement"] = before.placement != after.placement
    words += [f"{what} changed" for what, differs in changed.items() if differs]
    return words or ["another version stays loaded"]


def same_tensors(one: catalog_pb2.Version, other: catalog_pb2.Version) -> bool:
    """Whether two versions can be served side by side, by one configuration."""
    return one.signature == other.signature and one.max_batch_size == other.max_batch_size


def _arm(alias: str, version: catalog_pb2.Version) -> catalog_pb2.Arm:
    weight = _WHOLE_BASIS_POINTS if alias == CHAMPION else 0
    return catalog_pb2.Arm(name=alias, version=version.number, weight_basis_points=weight, kind=_KINDS[kind_of(alias)])


def _tensors(specs: Iterable[TensorSpec]) -> list[catalog_pb2.Tensor]:
    return [
        catalog_pb2.Tensor(name=spec.name, datatype=spec.datatype, dims=spec.dims, columns=spec.columns)
        for spec in specs
    ]
