"""The commands, as a user meets them."""

import subprocess
import sys
from pathlib import Path

import pytest

from hub.publication import publish_all
from hub.settings import HubSettings
from tests.conftest import Published
from tests.hub.workplace import Workplace

ROOT = Path(__file__).parents[2]


def run(*arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gateway", *arguments]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)


def test_publishing_again_says_that_there_is_nothing_to_do(published: Published) -> None:
    before = published.catalog.stat().st_mtime_ns
    done = run("publish", environment=dict(published.environment))
    assert (done.returncode, done.stdout, done.stderr) == (0, "nothing to do: 1 live\n", "")
    assert published.catalog.stat().st_mtime_ns == before


def test_a_refused_model_ends_with_status_1_and_its_reason(published: Published, workplace: Workplace) -> None:
    workplace.register("team1_bad")
    workplace.client().set_registered_model_tag("team1_bad", "policy.bands", "low")
    environment = dict(published.environment) | {
        "GAPURA_MLFLOW_URI": f"sqlite:///{workplace.database}",
        "GAPURA_REPOSITORY": str(workplace.repository),
        "GAPURA_CATALOG": str(workplace.catalog_file),
    }
    done = run("publish", environment=environment)
    assert done.returncode == 1
    assert done.stdout.startswith("team1_bad version 1 refused: tag policy.bands is 'low'")


def test_a_registry_without_champions_is_nothing_to_do(workplace: Workplace) -> None:
    settings = HubSettings(
        mlflow_uri=f"sqlite:///{workplace.database}", repository=workplace.repository, catalog=workplace.catalog_file
    )
    said: list[str] = []
    assert publish_all(settings, said.append)
    assert said == ["nothing to do: no registered model has the alias champion"]


def test_an_unknown_model_is_told_which_are_known(published: Published) -> None:
    done = run("train", "team9/nothing", environment=dict(published.environment))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: nothing trains 'team9/nothing'; known: all, team1, ")


@pytest.mark.parametrize("package", ["mlflow", "sklearn", "pandas", "onnx", "rich", "pydantic_settings"])
def test_listing_the_commands_loads_nothing_heavy(package: str) -> None:
    code = f"import sys, hub.commands; sys.exit({package!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_a_missing_package_says_what_to_install() -> None:
    code = "import sys; sys.modules['mlflow'] = None; from hub.commands import publish; publish([])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'gapura[hub]'" in done.stderr
