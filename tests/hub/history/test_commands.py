"""`gapura promote`, `demote` and `history`, as a user meets them."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import click
import mlflow
import pytest
from click.testing import CliRunner, Result

from hub.history.commands import history
from hub.registry import ModelRegistry
from hub.registry.commands import demote, promote
from tests.hub.registry.teams import register

NAME = "team3/churn"
Run = Callable[..., Result]


@pytest.fixture
def run(empty_registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command over a registry with three versions of a model."""
    shutil.copy(empty_registry, tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("GAPURA_MLFLOW_URI", uri)
    monkeypatch.setenv("GAPURA_FREEZE", str(tmp_path / "freeze.yaml"))
    register(ModelRegistry(uri), "team3", versions=3)
    group = click.Group(commands=[promote, demote, history])
    return lambda *words: CliRunner().invoke(group, list(words))


def test_promotions_are_told_with_who_and_why(run: Run) -> None:
    done = run("promote", NAME, "2", "--by", "bob", "--reason", "better AUC")
    assert (done.exit_code, done.output) == (
        0,
        "team3_churn: champion is version 2; `gapura publish` puts it live\n",
    )
    done = run("promote", "team3_churn", "3", "--alias", "challenger", "--weight", "10", "--by", "carol")
    assert done.output == "team3_churn: challenger is version 3, weight 10 %; `gapura publish` puts it live\n"
    done = run("demote", NAME, "--alias", "challenger", "--by", "dave", "--reason", "slow")
    assert done.output == "team3_churn: no version is challenger any more; `gapura publish` makes it so\n"
    lines = run("history", NAME).output.splitlines()
    assert [line.split("  ", 1)[1] for line in lines] == [
        "version 1 registered  alice",
        "version 2 registered  alice",
        "version 3 registered  alice",
        "champion -> version 2  bob  better AUC",
        "weight of challenger 10 %  carol",
        "challenger -> version 3  carol",
        "challenger removed from version 3  dave  slow",
        "weight of challenger removed  dave  slow",
    ]


def test_what_was_live_at_a_moment_is_told(run: Run) -> None:
    run("promote", NAME, "2", "--by", "bob", "--reason", "better AUC")
    when = datetime.now(UTC).isoformat()
    done = run("history", NAME, "--at", when)
    assert done.output.splitlines()[0].endswith(": nothing was live")
    assert done.output.splitlines()[1] == "  champion: version 2, not live yet"
    state = json.loads(run("history", NAME, "--at", when, "--json").output)
    assert (state["version"], state["aliases"]) == (None, {"champion": 2})


def test_json_holds_every_change(run: Run) -> None:
    changes = json.loads(run("history", NAME, "--json").output)
    assert [(change["kind"], change["version"], change["by"]) for change in changes] == [
        ("registered", number, "alice") for number in (1, 2, 3)
    ]
    assert datetime.fromisoformat(changes[0]["at"]).tzinfo is not None


def test_an_altered_history_is_told_and_ends_verification_with_status_1(run: Run) -> None:
    assert run("history", NAME, "--verify").output == "the history of team3_churn is whole: 3 entries\n"
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("gapura.history")
    assert experiment is not None
    second = client.search_runs([experiment.experiment_id], "tags.`gapura.sequence` = '00000002'")[0]
    client.delete_run(second.info.run_id)
    done = run("history", NAME, "--verify")
    assert (done.exit_code, done.output) == (1, "Error: the history of team3_churn was altered: entry 2 is gone\n")
    done = run("history", NAME)
    assert (done.exit_code, done.stderr) == (0, "warning: entry 2 is gone\n")


def test_a_promotion_in_a_freeze_window_needs_a_reason(run: Run, tmp_path: Path) -> None:
    year = datetime.now(UTC).year
    (tmp_path / "freeze.yaml").write_text(
        f"windows: [{{from: {year}-01-01T00:00Z, until: {year + 2}-01-01T00:00Z, reason: audit}}]"
    )
    done = run("promote", NAME, "2")
    words = f"team3_churn is frozen until {year + 2}-01-01 00:00 UTC: audit"
    assert (done.exit_code, done.output) == (
        1,
        f"Error: {words}; --override TEXT promotes it all the same and says why\n",
    )
    assert run("promote", NAME, "2", "--override", "wrong rates", "--by", "bob").exit_code == 0
    assert "champion -> version 2 (override: wrong rates)  bob" in run("history", NAME).output


WRONG = {
    ("promote", NAME, "9"): "team3_churn has no version 9: register it, or choose another",
    ("promote", "churn", "1"): "'churn' is no model: write TEAM/MODEL, such as team3/credit_scoring",
    ("promote", NAME, "1", "--weight", "100.5"): "a weight of 100.5 is not possible: give a percentage from 0",
    ("demote", NAME, "--alias", "shadow"): "team3_churn has no shadow: `gapura promote team3/churn VERSION",
    ("history", "team3/nothing"): "no change of team3_nothing was ever recorded: check the name",
    ("history", "team3/nothing", "--at", "2026-11-01"): "no change of team3_nothing was ever recorded",
    ("history", NAME, "--at", "soon"): "'soon' is no time: write 2026-11-01T00:00",
    ("history", NAME, "--at", ""): "'' is no time: write 2026-11-01T00:00",
}


def test_what_cannot_be_done_says_what_to_change(run: Run) -> None:
    for words, message in WRONG.items():
        done = run(*words)
        assert (done.exit_code, done.output[: len(message) + 7]) == (1, f"Error: {message}")
