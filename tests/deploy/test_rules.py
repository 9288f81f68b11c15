"""The rules are right, say what they should when they should, and every alert has its runbook page and its tests."""

import re
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.promtool import HOME, ROOT, SECONDS, promtool, rules_of

RUNBOOKS = ROOT / "docs/runbooks"
BASE = "https://gapura.example/docs/runbooks/"
ALERTS = sorted({rule["alert"] for rule in rules_of("alerts")})
TESTS = sorted((HOME / "tests").glob("*.yml"))


def test_the_configuration_is_right() -> None:
    done = promtool("check", "config", "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_configuration_reads_all_rules() -> None:
    patterns = yaml.safe_load((HOME / "prometheus.yml").read_text())["rule_files"]
    read = {path for pattern in patterns for path in HOME.glob(pattern)}
    assert read == {*HOME.glob("rules/*"), *HOME.glob("alerts/*")}
    assert len(read) == 10


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_rules_say_what_they_should(path: Path) -> None:
    done = promtool("test", "rules", str(path))
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_sees_a_rule_that_says_something_else(tmp_path: Path) -> None:
    for path in (HOME / "alerts/gateway.yml", HOME / "rules/stages.yml", HOME / "tests/gateway.yml"):
        copy = tmp_path / path.relative_to(HOME)
        copy.parent.mkdir()
        copy.write_text(path.read_text().replace("> 0.05", "> 0.5"))
        copy.chmod(stat.S_IRUSR | stat.S_IWUSR)
    done = promtool("test", "rules", "tests/gateway.yml", folder=tmp_path)
    assert done.returncode != 0
    assert "GapuraEventLoopLag" in done.stdout + done.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_is_tested_while_it_fires_and_while_it_does_not(alert: str) -> None:
    expected = [entry["exp_alerts"] for test in all_tests() for entry in test.get("alert_rule_test", ())]
    named = [entry["alertname"] for test in all_tests() for entry in test.get("alert_rule_test", ())]
    samples = [
        entry["exp_samples"]
        for test in all_tests()
        for entry in test.get("promql_expr_test", ())
        if f'alertname="{alert}"' in entry["expr"]
    ]
    seen = [fires for name, fires in zip(named, expected, strict=True) if name == alert] + samples
    assert [fires for fires in seen if fires]
    assert [fires for fires in seen if not fires]


def test_every_recording_rule_has_a_tested_value() -> None:
    """By its own name, by a pattern, or through a rule or an alert that is made of it."""
    asked = "\n".join(entry["expr"] for test in all_tests() for entry in test.get("promql_expr_test", ()))
    used = "\n".join(rule["expr"] for rule in rules_of("rules", "alerts"))
    patterns = re.findall(r'__name__=~"([^"]+)"', asked)
    assert [
        rule["record"]
        for rule in rules_of("rules")
        if not re.search(rf"\b{rule['record']}\b", asked + used)
        and not any(re.fullmatch(pattern, rule["record"]) for pattern in patterns)
    ] == []


@pytest.mark.parametrize(
    "rule", [*rules_of("alerts")], ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}"
)
def test_an_alert_says_what_happened_and_where_to_read_on(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert "{{" in rule["annotations"]["description"]
    assert rule["annotations"]["runbook_url"] == f"{BASE}{rule['alert']}.md"


def test_runbooks_are_those_of_the_alerts() -> None:
    assert sorted(path.stem for path in RUNBOOKS.glob("Gapura*.md")) == ALERTS


@pytest.mark.parametrize("alert", ALERTS)
def test_a_runbook_says_what_it_means_and_what_to_do(alert: str) -> None:
    page = (RUNBOOKS / f"{alert}.md").read_text()
    assert page.startswith(f"# {alert}\n")
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == ["Meaning", "Impact", "How to look", "How to mend"]
    for target in re.findall(r"\]\(([^)#]+)", page):
        assert target.startswith("http") or (RUNBOOKS / target).exists(), target


@pytest.mark.parametrize("alert", ALERTS)
def test_the_list_of_runbooks_names_the_alert(alert: str) -> None:
    assert f"[{alert}]({alert}.md)" in (RUNBOOKS / "README.md").read_text()


def all_tests() -> list[dict[str, Any]]:
    return [test for path in TESTS for test in yaml.safe_load(path.read_text())["tests"]]
