"""The catalog's file is replaced as a whole and only grows."""

from pathlib import Path

import pytest
from erpml.catalog.v1 import catalog_pb2

from hub.catalog import find_model, read_catalog, replace_model, without_times, write_catalog
from hub.composition import compose_model
from hub.errors import HubError


def model_named(name: str, *numbers: int, sha256: str = "") -> catalog_pb2.Model:
    champion, previous = (*(catalog_pb2.Version(number=number, sha256=sha256) for number in numbers or (1,)), None)[:2]
    assert champion
    return compose_model(name, "team1", {"champion": champion}, policy={"bands": (0.1, 0.2)}, previous=previous)


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


def test_what_leaves_the_catalog_retires_and_what_stays_keeps_its_time() -> None:
    first = replace_model(catalog_pb2.Catalog(), "a", model_named("a", 1))
    second = replace_model(first, "a", model_named("a", 2, 1), first.retirements)
    third = replace_model(second, "a", model_named("a", 3, 2), second.retirements)
    assert [len(catalog.retirements) for catalog in (first, second, third)] == [0, 0, 1]
    assert third.retirements[0].version.number == 1
    since = [{version.number: version.live_since for version in each.models[0].versions} for each in (second, third)]
    assert since[0][2] == since[1][2] != since[1][3]
    assert first.models[0].arms[0].since != second.models[0].arms[0].since
    assert without_times(second.models[0]) == model_named("a", 2, 1)


def test_what_comes_back_is_not_retired() -> None:
    first = replace_model(catalog_pb2.Catalog(), "a", model_named("a", 1))
    gone = replace_model(first, "a", None)
    assert [each.version.number for each in gone.retirements] == [1]
    assert not replace_model(gone, "a", model_named("a", 1), gone.retirements).retirements
    other = replace_model(gone, "a", model_named("a", 1, sha256="other"), gone.retirements)
    assert [each.version.sha256 for each in other.retirements] == [""]
