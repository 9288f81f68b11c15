"""`gapura features` from a file to a training set, as people use it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.catalog.valkey import Valkey
from tests.hub.features.views import DECLARED, NOW_MS, write_source


class Shell:
    """Runs the command in a folder.

    Args:
        folder: The folder.
        url: Of Redis.
    """

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.environment = {**os.environ, "GAPURA_FEATURES_URL": url}

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Runs `gapura features`."""
        return subprocess.run(
            [sys.executable, "-m", "gateway", "features", *arguments],
            cwd=self.folder,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )

    def say(self, *arguments: str, stdin: str = "") -> str:
        """Runs it, and returns what it says."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def shell(valkey: Valkey, tmp_path: Path) -> Shell:
    write_source(tmp_path / "source.parquet", [("C1", NOW_MS, 1.5, 40, "Köln"), ("C2", NOW_MS, None, 30, "Ulm")])
    (tmp_path / "view.yaml").write_text(DECLARED.replace("SOURCE", "source.parquet"), encoding="utf-8")
    return Shell(tmp_path, valkey.url())


def test_a_view_goes_from_its_file_to_a_training_set(shell: Shell) -> None:
    assert "customer_test is live with 3 columns" in shell.say("apply", "view.yaml")
    assert shell.say("apply", "view.yaml") == "customer_test is unchanged\n"
    said = shell.say("materialize", "customer_test")
    assert said.startswith("customer_test data 2 live: 2 entities in ")
    row = json.dumps({"entity": "C3", "income": 2, "age": 1, "city": None})
    assert shell.say("push", "customer_test", "-", stdin=row) == "customer_test: 1 written, 0 outdated\n"
    (found,) = json.loads(shell.say("get", "customer_test", "C3", "--json"))
    assert (found["stored"], found["served"]) == ("fresh", "default")
    assert found["values"] == {"income": 2.0, "age": 1, "city": "Bonn"}
    (status,) = json.loads(shell.say("status", "--json"))["views"]
    assert (status["data"], status["entities"], status["building"], status["waiting"]) == (2, 2, None, 1)
    (shell.folder / "labels.csv").write_text(
        "buyer,event_time\nC1,2100-01-01\nC2,2026-11-29T20:00:00Z\n", encoding="utf-8"
    )
    arguments = ("--labels", "labels.csv", "--features", "customer_test:city,income", "--entity", "customer=buyer")
    assert shell.say("training-set", *arguments, "--output", "train.parquet") == "train.parquet: 2 rows\n"
    assert [list(row.values())[2:] for row in pq.read_table(shell.folder / "train.parquet").to_pylist()] == [
        ["Bonn", 5.0, "default"],
        ["Ulm", 5.0, "default"],
    ]


def test_status_says_that_redis_is_away_and_what_is_declared(shell: Shell) -> None:
    shell.say("apply", "view.yaml")
    shell.environment["GAPURA_FEATURES_URL"] = f"unix://{shell.folder}/nothing"
    said = shell.say("status")
    assert "customer_test\tteam3\tcustomer\t3\t1d\tstale up to 7d" in said
    assert "what is stored is not known" in said


def test_lines_that_are_not_valid_are_an_exit_status_of_1(shell: Shell) -> None:
    shell.say("apply", "view.yaml")
    done = shell.run("push", "customer_test", "-", stdin="{}")
    assert (done.returncode, done.stdout) == (1, "customer_test: 0 written, 0 outdated, 1 refused\n")
    assert done.stderr.startswith("line 1: income: is missing")


def test_a_view_that_nobody_declared_is_an_error_with_a_way_out(shell: Shell) -> None:
    done = shell.run("materialize", "nothing")
    assert done.returncode == 1
    assert "no view 'nothing' is declared" in done.stderr
