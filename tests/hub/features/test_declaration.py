"""A declaration is read whole, or refused with the place and the way out."""

from pathlib import Path

import pytest
from erpml.types.v1 import feature_view_pb2
from gapura_features import FeatureType

from hub.errors import HubError
from hub.features.declaration import read_declaration
from hub.features.declared import declared_views, find_declaration, keep_declaration
from hub.features.sources import filled_in
from hub.features.spans import read_span, write_span
from tests.hub.features.views import DECLARED


def test_a_view_is_read_as_catalogs_have_it() -> None:
    message = read_declaration(DECLARED, "test.yaml").message()
    assert (message.freshness_ms, message.stale_ms) == (86_400_000, 7 * 86_400_000)
    assert message.degrade == feature_view_pb2.DEGRADE_STALE
    assert [column.name for column in message.columns] == ["income", "age", "city"]
    assert message.columns[0].default_value.number == 5
    assert not message.columns[1].HasField("default_value") or not message.columns[1].default_value.WhichOneof("value")
    assert message.columns[2].default_value.text == "Bonn"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("type: float32", "type: float33", "columns.0.type: 'float33' is no type: write one of float32"),
        ("default: 5", "default: five", "columns.0: `default` must be a number, got 'five'"),
        ("type: int32", "type: int32, default: 3000000000", "columns.1: `default` must be an integer of 32 bits"),
        ("freshness: 1d", "freshness: 1 day", "freshness: '1 day' is no span of time"),
        ("freshness: 1d", "freshness: 8d", "`degrade.within` is shorter than `freshness`"),
        ("rule: stale, within: 7d", "rule: stale", "degrade: write how old a stale row may be"),
        ("name: age", "name: income", "`columns` has income twice"),
        ("name: age", "name: event_time", "columns.1.name: 'event_time' is what pushed rows call"),
        ("name: age, type: int32", "name: age, type: int32, count: 0", "columns.1.count: Input should be greater"),
        ("name: age, type: int32", "name: age, type: int32, count: x", "columns.1.count: Input should be a valid int"),
        (
            "name: age, type: int32",
            "name: income_2, type: int32}\n  - {name: income, type: int32, count: 2",
            "income_2 twice",
        ),
        (
            "name: age, type: int32",
            f"name: {'n' * 127}, type: int32, count: 2",
            "columns.1: `name` and a number have more",
        ),
        ("name: age, type: int32", "name: age, type: int32, count: 999", "columns: `columns` stands for 1,001 columns"),
        ("view: customer_test", "view: Customer", "view: 'Customer' is no name"),
        ("team: team3", "tema: team3", "team: is missing"),
        ("parquet: SOURCE", "parquett: SOURCE", "source.parquett: is not known here"),
        (", event_time: event_time}", "}", "source: write the names of two columns"),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, said: str) -> None:
    with pytest.raises(HubError) as caught:
        read_declaration(DECLARED.replace(old, new), "test.yaml")
    assert "test.yaml: " in str(caught.value)
    assert said in str(caught.value)


def test_a_column_with_a_count_stands_for_numbered_ones() -> None:
    text = DECLARED.replace("type: int32, from: years", "type: int32, default: 4, from: years, count: 3")
    declaration = read_declaration(text, "test.yaml")
    assert [column.name for column in declaration.message().columns] == ["income", "age_1", "age_2", "age_3", "city"]
    assert [column.source_name for column in declaration.columns[1:4]] == ["years_1", "years_2", "years_3"]
    assert [column.default for column in declaration.row_schema.columns[1:4]] == [4, 4, 4]


def test_numbered_columns_are_called_alike_in_the_source() -> None:
    text = DECLARED.replace("name: income", "name: income, count: 1")
    assert read_declaration(text, "test.yaml").columns[0].source_name == "income_1"


def test_the_file_may_be_no_yaml() -> None:
    with pytest.raises(HubError, match="test.yaml is not YAML"):
        read_declaration("{", "test.yaml")


def test_bytes_and_integers_beyond_floats_can_be_defaults() -> None:
    text = DECLARED.replace("type: int32", "type: int64, default: 9007199254740993")
    assert read_declaration(text, "test.yaml").row_schema.columns[1].default == 2**53 + 1
    text = DECLARED.replace("type: string", "type: bytes")
    column = read_declaration(text, "test.yaml").row_schema.columns[2]
    assert (column.type, column.default) == (FeatureType.BYTES, b"Bonn")


@pytest.mark.parametrize(("text", "span_ms"), [("500ms", 500), ("30s", 30_000), ("10m", 600_000), ("7d", 604_800_000)])
def test_spans_are_read_and_written(text: str, span_ms: int) -> None:
    assert read_span(text) == span_ms
    assert write_span(span_ms) == text


def test_variables_of_the_environment_are_filled_in_and_missing_ones_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALES_PASSWORD", "secret")
    assert filled_in("postgresql://hub:${SALES_PASSWORD}@db/sales") == "postgresql://hub:secret@db/sales"
    with pytest.raises(HubError, match="variable NOT_THERE, which is not set"):
        filled_in("${NOT_THERE}")


def test_what_was_applied_last_wins_over_what_is_built_in(tmp_path: Path) -> None:
    keep_declaration(tmp_path, "customer_test", DECLARED.encode())
    assert find_declaration(tmp_path, "customer_test").team == "team3"
    with pytest.raises(HubError, match="no view 'nothing' is declared"):
        find_declaration(tmp_path, "nothing")


def test_built_in_declarations_are_valid_and_named_once() -> None:
    names = [declaration.view for declaration in declared_views()]
    assert len(set(names)) == len(names)
