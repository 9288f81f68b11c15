"""Dashboards hold what Grafana knows, ask what Prometheus understands, and speak of metrics that there are."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.deploy.dashboards import HOME, PATHS, expressions_of, panels_of, read, variable_queries_of
from tests.deploy.metric_names import faults_of, known_metrics
from tests.deploy.promtool import check_expressions, rules_of

COLUMNS = 24

each_dashboard = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def test_there_is_a_dashboard_for_each_concern() -> None:
    assert [path.stem for path in PATHS] == ["features", "model", "nodes", "overview", "tenants"]


@each_dashboard
def test_grafana_knows_all_that_a_dashboard_holds(path: Path) -> None:
    assert list(unknown_to_grafana(read(path))) == []


def test_what_grafana_does_not_know_is_seen() -> None:
    board = read(HOME / "dashboards/overview.json")
    panel = next(panel for panel in panels_of(board) if panel["type"] == "timeseries")
    panel["options"]["legend"]["placment"] = "right"
    panel["targets"][0]["query"] = "up"
    name = f".panels[{board['panels'].index(panel)}]"
    assert list(unknown_to_grafana(board)) == [f"{name}.targets[0].query", f"{name}.options.legend.placment"]


@each_dashboard
def test_prometheus_understands_every_expression(path: Path, tmp_path: Path) -> None:
    selectors = [selector for selector, _ in variable_queries_of(read(path))]
    assert check_expressions([*expressions_of(read(path)), *selectors], tmp_path) == ""


def test_an_expression_that_prometheus_does_not_understand_is_seen(tmp_path: Path) -> None:
    assert "parse error" in check_expressions(["sum by (model) (gapura_rows_total"], tmp_path)


@each_dashboard
def test_expressions_speak_of_metrics_and_labels_that_there_are(path: Path) -> None:
    known = known_metrics()
    faults = [fault for expression in expressions_of(read(path)) for fault in faults_of(expression, known)]
    for selector, label in variable_queries_of(read(path)):
        faults += faults_of(f"sum by ({label}) ({selector})", known)
    assert faults == []


@pytest.mark.parametrize("folder", ["rules", "alerts"])
def test_rules_speak_of_metrics_and_labels_that_there_are(folder: str) -> None:
    known = known_metrics()
    assert [fault for rule in rules_of(folder) for fault in faults_of(rule["expr"], known)] == []


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("rate(gapura_row_total[5m])", "metric gapura_row_total"),
        ("tenant:gapura_calls:rate7m", "metric tenant:gapura_calls:rate7m"),
        ('gapura_rows_total{code="OK"}', "gapura_rows_total code"),
        ("sum by (worker) (rate(gapura_rows_total[5m]))", "label worker"),
        ("model:gapura_calls:rate5m and on (arm) gapura_calls_in_flight", "label arm"),
    ],
)
def test_a_metric_or_label_that_is_not_there_is_seen(expression: str, fault: str) -> None:
    assert list(faults_of(expression, known_metrics())) == [fault]


@each_dashboard
def test_panels_have_ids_of_their_own_and_do_not_overlap(path: Path) -> None:
    panels = read(path)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        columns, rows = (range(place[at], place[at] + place[size]) for at, size in (("x", "w"), ("y", "h")))
        cells = {(x, y) for x in columns for y in rows}
        assert columns.stop <= COLUMNS
        assert not cells & taken, panel["title"]
        taken |= cells


@each_dashboard
def test_panels_say_what_they_show(path: Path) -> None:
    for panel in panels_of(read(path)):
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]


@each_dashboard
def test_data_sources_are_provisioned(path: Path) -> None:
    provisioned = yaml.safe_load((HOME / "provisioning/datasources/gapura.yml").read_text())["datasources"]
    assert set(sources_of(read(path))) == {(source["type"], source["uid"]) for source in provisioned}


@each_dashboard
def test_variables_that_are_used_are_declared(path: Path) -> None:
    board, text = read(path), path.read_text()
    declared = {variable["name"] for variable in board["templating"]["list"]}
    used = {name for name in ("tenant", "model", "arm", "node", "service") if f'=~\\"${name}\\"' in text}
    assert used == declared


def test_dashboards_have_uids_of_their_own() -> None:
    uids = [read(path)["uid"] for path in PATHS]
    assert uids == [f"gapura-{path.stem}" for path in PATHS]


@each_dashboard
def test_a_dashboard_is_tidy(path: Path) -> None:
    assert path.read_text() == json.dumps(read(path), indent=2, ensure_ascii=False) + "\n"


def unknown_to_grafana(board: dict[str, Any]) -> list[str]:
    """Returns what is lost when a dashboard is read into the types that are generated from Grafana's own schemas."""
    register_default_plugins()
    kept = json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))
    return list(lost(board, kept))


def lost(before: Any, after: Any, place: str = "") -> Iterator[str]:
    """Yields the places of one value that are not in the other."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name, value in before.items():
            yield from lost(value, after[name], f"{place}.{name}") if name in after else [f"{place}.{name}"]
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, pair in enumerate(zip(before, after, strict=True)):
            yield from lost(*pair, f"{place}[{number}]")
    elif before != after:
        yield place


def sources_of(value: Any) -> Iterator[tuple[str, str]]:
    """Yields type and uid of every data source that a part of a dashboard names."""
    if isinstance(value, dict):
        if isinstance(value.get("datasource"), dict):
            yield value["datasource"]["type"], value["datasource"]["uid"]
        for each in value.values():
            yield from sources_of(each)
    elif isinstance(value, list):
        for each in value:
            yield from sources_of(each)
