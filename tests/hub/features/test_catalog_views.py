"""Views come into the catalog whole, checked, and stay there whatever is published."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from erpml.catalog.v1 import catalog_pb2
from erpml.types.v1 import feature_view_pb2

from hub.catalog import read_catalog, replace_model
from hub.contract_check import ContractCheck
from hub.errors import HubError
from hub.features.catalog_views import Application
from hub.features.declaration import read_declaration
from hub.features.declared import find_declaration
from hub.live_catalog import LiveCatalog
from hub.publishing.outcome import Result
from hub.repository import Repository
from tests.hub.features.views import DECLARED
from tests.hub.workplace import Workplace


@pytest.fixture
def application(tmp_path: Path) -> Application:
    return Application(
        repository=Repository(tmp_path / "model_repository"),
        catalog=LiveCatalog(tmp_path / "catalog.binpb"),
        contracts=ContractCheck(tmp_path / "contracts"),
        kept=tmp_path / "views",
        has_data=lambda _: True,
    )


def write(folder: Path, text: str = DECLARED, name: str = "view.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def views(application: Application) -> list[str]:
    return [view.name for view in application.catalog.read().feature_views]


def test_an_empty_catalog_takes_views(application: Application, tmp_path: Path) -> None:
    assert application.apply([write(tmp_path)])[0].startswith("customer_test is live with 3 columns")
    catalog = application.catalog.read()
    assert (catalog.generation, views(application)) == (1, ["customer_test"])
    assert catalog.created_at.ToNanoseconds() > 0
    assert find_declaration(tmp_path / "views", "customer_test").entity == "customer"


def test_the_same_again_changes_nothing(application: Application, tmp_path: Path) -> None:
    application.apply([write(tmp_path)])
    content = application.catalog.path.read_bytes()
    assert application.apply([write(tmp_path)]) == ["customer_test is unchanged"]
    assert application.catalog.path.read_bytes() == content


def test_another_bound_is_a_new_generation(application: Application, tmp_path: Path) -> None:
    application.apply([write(tmp_path)])
    assert application.apply([write(tmp_path, DECLARED.replace("freshness: 1d", "freshness: 2d"))]) == [
        "customer_test is live as it is declared now"
    ]
    assert application.catalog.read().generation == 2
    assert application.catalog.read().feature_views[0].freshness_ms == 2 * 86_400_000


def test_columns_of_which_rows_are_live_change_only_when_somebody_says_so(
    application: Application, tmp_path: Path
) -> None:
    application.apply([write(tmp_path)])
    changed = write(tmp_path, DECLARED.replace("type: int32", "type: int64").replace("city", "town"))
    with pytest.raises(HubError, match="town is new, city is gone, age has another type.*calls would get defaults"):
        application.apply([changed])
    assert application.catalog.read().generation == 1
    assert find_declaration(tmp_path / "views", "customer_test").columns[2].name == "city"
    assert "calls get defaults until" in application.apply([changed], replace=True)[0]
    assert application.catalog.read().generation == 2


def test_columns_without_rows_change_freely(application: Application, tmp_path: Path) -> None:
    empty = replace(application, has_data=lambda _: False)
    empty.apply([write(tmp_path)])
    empty.apply([write(tmp_path, DECLARED.replace("type: int32", "type: int64"))])
    assert application.catalog.read().generation == 2


def test_one_file_that_is_not_valid_keeps_all_from_the_catalog(application: Application, tmp_path: Path) -> None:
    wrong = write(tmp_path, DECLARED.replace("customer_test", "other").replace("int32", "int"), "wrong.yaml")
    with pytest.raises(HubError, match=r"wrong.yaml: columns.1.type"):
        application.apply([write(tmp_path), wrong])
    with pytest.raises(HubError, match="two of the files declare customer_test"):
        application.apply([write(tmp_path), write(tmp_path, name="again.yaml")])
    assert not application.catalog.path.exists()


def test_another_publisher_keeps_it_waiting(application: Application, tmp_path: Path) -> None:
    order = list[str]()

    class Noted(LiveCatalog):
        def write(self, catalog: catalog_pb2.Catalog) -> None:
            order.append("written")
            super().write(catalog)

    with application.repository.lock():
        thread = threading.Thread(
            target=replace(application, catalog=Noted(application.catalog.path)).apply, args=([write(tmp_path)],)
        )
        thread.start()
        thread.join(0.3)
        order.append("released")
    thread.join()
    assert order == ["released", "written"]


def view(name: str) -> feature_view_pb2.FeatureView:
    return read_declaration(DECLARED.replace("customer_test", name), "test.yaml").message()


def test_a_model_that_changes_leaves_views_alone() -> None:
    catalog = catalog_pb2.Catalog(generation=3, feature_views=[view("a"), view("b")])
    following = replace_model(catalog, "m", catalog_pb2.Model(name="m"))
    assert list(following.feature_views) == [view("a"), view("b")]


def test_publishing_adds_built_in_views_that_are_missing_and_keeps_the_others(workplace: Workplace) -> None:
    workplace.register("team1_model")
    publisher = workplace.publisher()
    publisher.publish(lambda _: None)
    assert not read_catalog(workplace.catalog_file).feature_views
    declared = view("customer_test")
    declared.freshness_ms = 7
    outcomes = replace(publisher, views=[declared]).publish(lambda _: None)
    assert [outcome.result for outcome in outcomes] == [Result.UNCHANGED]
    assert read_catalog(workplace.catalog_file).generation == 2
    replace(publisher, views=[view("customer_test"), view("added")]).publish(lambda _: None)
    found = {each.name: each.freshness_ms for each in read_catalog(workplace.catalog_file).feature_views}
    assert found == {"added": 86_400_000, "customer_test": 7}


def test_the_first_publication_brings_built_in_views_at_once(workplace: Workplace) -> None:
    workplace.register("team1_model")
    replace(workplace.publisher(), views=[view("customer_test")]).publish(lambda _: None)
    catalog = read_catalog(workplace.catalog_file)
    assert (catalog.generation, len(catalog.models), len(catalog.feature_views)) == (1, 1, 1)
