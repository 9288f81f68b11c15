"""Reading catalogs: a whole and newer one is taken, anything else is refused with what to do."""

from pathlib import Path

import pytest
from erpml.catalog.v1 import catalog_pb2
from erpml.types.v1 import feature_view_pb2

from gateway.catalog.edition import Edition
from gateway.catalog.snapshot import Snapshot, read_snapshot
from gateway.catalog.sources import Catalogs
from gateway.errors import CatalogError
from gateway.feature_views import FeatureView
from tests.gateway.feature_contract import view_message
from tests.gateway.models import catalog_message


def edition(message: catalog_pb2.Catalog) -> Edition:
    """Returns a catalog as if it had been found somewhere."""
    return Edition("somewhere", message.SerializeToString(), message)


def with_arm(name: str, weight: int, *, champion: int = 10_000, kind: int = 0) -> catalog_pb2.Catalog:
    """Returns a catalog whose model has an arm before the champion."""
    catalog = catalog_message(3, weight=champion)
    model = catalog.models[0]
    model.versions.add().CopyFrom(model.versions[0])
    model.versions[1].number = 2
    arms = [catalog_pb2.Arm(name=name, version=2, weight_basis_points=weight, kind=kind), *model.arms]  # type: ignore[arg-type] # a number
    del model.arms[:]
    model.arms.extend(arms)
    return catalog


def test_a_catalog_is_read_whole() -> None:
    snapshot = read_snapshot(edition(catalog_message(3)), Snapshot())
    model = snapshot.models["team9_test"]
    assert (snapshot.generation, model.arms[0].version.number, model.policy) == (3, 1, {"bounds": (0.1, 0.2)})
    assert model.versions[1].signature.inputs[0].dims == (2,)


def test_arms_without_weight_are_read_and_the_champion_stays_the_first() -> None:
    catalog = with_arm("challenger", 0, kind=catalog_pb2.ARM_KIND_CHALLENGER)
    model = read_snapshot(edition(catalog), Snapshot()).models["team9_test"]
    assert [(arm.name, arm.version.number) for arm in model.arms] == [("champion", 1), ("challenger", 2)]
    assert model.champion.name == "champion"


def test_a_version_that_was_live_before_stays_the_same_object() -> None:
    first = read_snapshot(edition(catalog_message(1)), Snapshot())
    assert read_snapshot(edition(catalog_message(2)), first).versions() == first.versions()
    changed = catalog_message(3)
    changed.models[0].versions[0].sha256 = "11"
    assert read_snapshot(edition(changed), first).versions().isdisjoint(first.versions())


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\xff\xff", "is not a catalog"),
        (b"", "generation 0"),
        (catalog_message(1).SerializeToString(), "generation 1 and 2 is live"),
        (catalog_message(3, weight=9_999).SerializeToString(), "weigh 10000"),
        (catalog_message(3, arm_version=2).SerializeToString(), "must name live versions"),
        (with_arm("challenger", 5_000, champion=5_000).SerializeToString(), "divide its traffic"),
        (with_arm("challenger", 5_000).SerializeToString(), "weigh 10000"),
        (with_arm("champion", 0).SerializeToString(), "the same name"),
        (with_arm("shadow", 10_000, champion=0, kind=3).SerializeToString(), "is no champion"),
        (None, "No such file"),
    ],
)
def test_what_is_no_newer_whole_catalog_is_refused(tmp_path: Path, content: bytes | None, problem: str) -> None:
    path = tmp_path / "catalog.binpb"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CatalogError, match=problem):
        Catalogs(path).newest(Snapshot(generation=2))


def with_views(generation: int, *views: feature_view_pb2.FeatureView) -> catalog_pb2.Catalog:
    """Returns a catalog with one model and these views."""
    catalog = catalog_message(generation)
    catalog.feature_views.extend(views)
    return catalog


def test_a_feature_view_that_was_there_before_stays_the_same_object() -> None:
    first = read_snapshot(edition(with_views(1, view_message("a"), view_message("b"))), Snapshot())
    assert (first.views["a"].freshness_ms, first.views["a"].blank()) == (1000, (0.5,))
    again = read_snapshot(edition(with_views(2, view_message("a"), view_message("b", freshness_ms=5))), first)
    assert again.views["a"] is first.views["a"]
    assert again.views["b"].freshness_ms == 5


def test_a_feature_view_that_contradicts_itself_stays_as_it_was_and_costs_no_other_anything() -> None:
    first = read_snapshot(edition(with_views(1, view_message("a"))), Snapshot())
    broken = [view_message(name, degrade=feature_view_pb2.DEGRADE_UNSPECIFIED) for name in ("a", "b")]
    again = read_snapshot(edition(with_views(2, *broken, view_message("c"))), first)
    assert again.views == {"a": first.views["a"], "c": view_of("c")}
    assert sorted(again.faults) == ["feature view a", "feature view b"]
    assert "apply it again" in again.faults["feature view a"]
    assert list(again.models) == ["team9_test"]


def view_of(name: str) -> FeatureView:
    """Returns a view as it is read."""
    return FeatureView.read(view_message(name))
