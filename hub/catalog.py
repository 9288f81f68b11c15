"""The catalog on disk: read, compose the next snapshot, replace in one step."""

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from erpml.catalog.v1 import catalog_pb2
from erpml.types.v1 import feature_view_pb2
from google.protobuf.message import DecodeError

from hub.durability import write_file
from hub.errors import HubError


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


def find_version(model: catalog_pb2.Model | None, number: int) -> catalog_pb2.Version | None:
    """Returns a version that is loaded of a model."""
    versions: Iterable[catalog_pb2.Version] = model.versions if model else ()
    return next((version for version in versions if version.number == number), None)


def find_arm(model: catalog_pb2.Model | None, name: str) -> catalog_pb2.Version | None:
    """Returns the version that an arm of a model names."""
    arms: Iterable[catalog_pb2.Arm] = model.arms if model else ()
    return next((find_version(model, arm.version) for arm in arms if arm.name == name), None)


def replace_model(
    catalog: catalog_pb2.Catalog,
    name: str,
    model: catalog_pb2.Model | None,
    kept: Sequence[catalog_pb2.Retirement] = (),
) -> catalog_pb2.Catalog:
    """Returns the next snapshot, in which `model` stands for `name`, or nothing does.

    Args:
        catalog: The snapshot before.
        name: The model.
        model: What is live of it from now on; versions that it lacks retire now.
        kept: Earlier retirements to remember.
    """
    now = time.time_ns()
    following = catalog_pb2.Catalog(generation=catalog.generation + 1)
    following.created_at.FromNanoseconds(now)
    models = [other for other in catalog.models if other.name != name] + ([model] if model else [])
    following.models.extend(sorted(models, key=lambda each: each.name))
    following.feature_views.extend(catalog.feature_views)
    _date(following, catalog, name, now)
    following.retirements.extend(each for each in kept if each.model != name or _gone(each.version, each, model))
    live = find_model(catalog, name)
    for version in live.versions if live else ():
        if live and _gone(version, live, model):
            retirement = following.retirements.add(model=name, version=version, placement=live.placement)
            retirement.retired_at.FromNanoseconds(now)
    return following


def replace_views(catalog: catalog_pb2.Catalog, views: Iterable[feature_view_pb2.FeatureView]) -> catalog_pb2.Catalog:
    """Returns the next snapshot, in which these feature views stand for those of the same names."""
    following = catalog_pb2.Catalog()
    following.CopyFrom(catalog)
    following.generation += 1
    following.created_at.FromNanoseconds(time.time_ns())
    _set_views(following, views)
    return following


def add_views(catalog: catalog_pb2.Catalog, views: Iterable[feature_view_pb2.FeatureView]) -> None:
    """Adds the feature views of whose names a snapshot that is being made has none."""
    _set_views(catalog, missing_views(catalog, views))


def missing_views(
    catalog: catalog_pb2.Catalog, views: Iterable[feature_view_pb2.FeatureView]
) -> list[feature_view_pb2.FeatureView]:
    """Returns the views of whose names the catalog has none."""
    known = {view.name for view in catalog.feature_views}
    return [view for view in views if view.name not in known]


def without_times(model: catalog_pb2.Model) -> catalog_pb2.Model:
    """Returns a copy that does not say since when what is live."""
    copy = catalog_pb2.Model()
    copy.CopyFrom(model)
    for version in copy.versions:
        version.ClearField("live_since")
    for arm in copy.arms:
        arm.ClearField("since")
    return copy


def _set_views(catalog: catalog_pb2.Catalog, views: Iterable[feature_view_pb2.FeatureView]) -> None:
    merged = {view.name: view for view in [*catalog.feature_views, *views]}
    ordered = [merged[name] for name in sorted(merged)]
    del catalog.feature_views[:]
    catalog.feature_views.extend(ordered)


def _date(following: catalog_pb2.Catalog, before: catalog_pb2.Catalog, name: str, now: int) -> None:
    """Says of a model since when each version has been loaded, and each arm has named its version."""
    model, live = find_model(following, name), find_model(before, name)
    for version in model.versions if model else ():
        known = find_version(live, version.number)
        if known is not None and known.sha256 == version.sha256 and known.HasField("live_since"):
            version.live_since.CopyFrom(known.live_since)
        else:
            version.live_since.FromNanoseconds(now)
    since = {(arm.name, arm.version): arm.since for arm in (live.arms if live else ()) if arm.HasField("since")}
    for arm in model.arms if model else ():
        if (arm.name, arm.version) in since:
            arm.since.CopyFrom(since[arm.name, arm.version])
        else:
            arm.since.FromNanoseconds(now)


def _gone(
    version: catalog_pb2.Version,
    place: catalog_pb2.Model | catalog_pb2.Retirement,
    model: catalog_pb2.Model | None,
) -> bool:
    """Whether a model no longer has a version, made from the same artifacts, on nodes of the same kind."""
    found = find_version(model, version.number)
    return model is None or found is None or found.sha256 != version.sha256 or model.placement != place.placement
