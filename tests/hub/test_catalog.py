"""The catalog's file is replaced as a whole and only grows."""

from pathlib import Path

import pytest
from erpml.catalog.v1 import catalog_pb2

from hub.catalog import compose_model, find_model, read_catalog, replace_model, write_catalog
from hub.errors import HubError


def model_named(name: str) -> catalog_pb2.Model:
    return compose_model(name, "team1", catalog_pb2.Version(number=1), {"bands": (0.1, 0.2)})


def test_the_first_catalog_is_empty(tmp_path: Path) -> None:
    assert read_catalog(tmp_path / "catalog.binpb").generation == 0


def test_generations_count_and_models_are_in_order() -> None:
    catalog = catalog_pb2.Catalog()
    for name in ("b", "a"):
        catalog = replace_model(catalog, name, model_named(name))
    assert catalog.generation == 2
    assert [model.name for model in catalog.models] == ["a", "b"]
    assert find_model(replace_model(catalog, "a", None), "a") is None


def test_what_is_written_is_read_and_nothing_else_remains(tmp_path: Path) -> None:
    path = tmp_path / "new/catalog.binpb"
    catalog = replace_model(catalog_pb2.Catalog(), "a", model_named("a"))
    write_catalog(path, catalog)
    assert read_catalog(path) == catalog
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_is_no_catalog_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "catalog.binpb"
    path.write_bytes(b"\xff\xff\xff")
    with pytest.raises(HubError, match="is not a catalog: restore it"):
        read_catalog(path)
