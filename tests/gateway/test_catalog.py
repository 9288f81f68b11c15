"""Reading catalogs: a whole and newer one is taken, anything else is refused with what to do."""

from pathlib import Path

import pytest
from erpml.catalog.v1 import catalog_pb2

from gateway.catalog import Snapshot, read_snapshot
from gateway.errors import CatalogError
from tests.gateway.models import catalog_message


def two_arms() -> catalog_pb2.Catalog:
    """Returns a catalog that divides the traffic of its model."""
    catalog = catalog_message(3, weight=5_000)
    catalog.models[0].arms.add(name="challenger", version=1, weight_basis_points=5_000)
    return catalog


def test_a_catalog_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "catalog.binpb"
    path.write_bytes(catalog_message(3).SerializeToString())
    snapshot = read_snapshot(path, Snapshot())
    model = snapshot.models["team9_test"]
    assert (snapshot.generation, model.arms[0].version.number, model.policy) == (3, 1, {"bounds": (0.1, 0.2)})
    assert model.versions[1].signature.inputs[0].dims == (2,)


def test_a_version_that_was_live_before_stays_the_same_object(tmp_path: Path) -> None:
    path = tmp_path / "catalog.binpb"
    path.write_bytes(catalog_message(1).SerializeToString())
    first = read_snapshot(path, Snapshot())
    path.write_bytes(catalog_message(2).SerializeToString())
    assert read_snapshot(path, first).versions() == first.versions()
    changed = catalog_message(3)
    changed.models[0].versions[0].sha256 = "11"
    path.write_bytes(changed.SerializeToString())
    assert read_snapshot(path, first).versions().isdisjoint(first.versions())


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\xff\xff", "is not a catalog"),
        (b"", "generation 0"),
        (catalog_message(1).SerializeToString(), "generation 1 and 2 is live"),
        (catalog_message(3, weight=9_999).SerializeToString(), "weigh 10000"),
        (catalog_message(3, arm_version=2).SerializeToString(), "must name live versions"),
        (two_arms().SerializeToString(), "several arms"),
        (None, "No such file"),
    ],
)
def test_what_is_no_newer_whole_catalog_is_refused(tmp_path: Path, content: bytes | None, problem: str) -> None:
    path = tmp_path / "catalog.binpb"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CatalogError, match=problem):
        read_snapshot(path, Snapshot(generation=2))
