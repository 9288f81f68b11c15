"""The example in JavaScript, with gRPC's own packages of npm, against a real gateway."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import Serving
from tests.e2e.serving import free_port

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "javascript"
IN_PYTHON = ROOT / "examples" / "score_applicant.py"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Installs the example beside the contracts, as a checkout has them; returns its program."""
    checkout = tmp_path_factory.mktemp("checkout")
    (checkout / "protos").symlink_to(ROOT / "protos")
    folder = checkout / "examples" / "javascript"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("node_modules"))
    install = ["npm", "install", "--silent", "--ignore-scripts"]
    subprocess.run(install, cwd=folder, check=True)
    return folder / "score_applicant.mjs"


def run(target: str, key: str, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs an example."""
    environment = {**os.environ, "GAPURA_TARGET": target, "GAPURA_API_KEY": key}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_javascript_gets_the_answer_that_python_gets(program: Path, serving: Serving) -> None:
    scored = run(serving.address, serving.api_key, "node", program)
    assert scored.returncode == 0, scored.stderr
    assert scored.stdout.startswith("probability of default 0.")
    assert scored.stdout == run(serving.address, serving.api_key, sys.executable, IN_PYTHON).stdout


def test_javascript_reads_which_fields_of_a_request_are_wrong(program: Path, serving: Serving) -> None:
    refused = run(serving.address, serving.api_key, "node", program, "age_years=-1", "debt_ratio=-2")
    assert refused.returncode == 1
    title, *fields = refused.stderr.splitlines()
    assert title.startswith("INVALID_ARGUMENT INVALID_FIELD: ")
    assert [field.partition(":")[0].strip() for field in fields] == ["age_years", "debt_ratio"]


def test_javascript_reads_the_reason_of_a_refusal(program: Path, serving: Serving) -> None:
    refused = run(serving.address, serving.foreign_key, "node", program)
    assert refused.returncode == 1
    assert refused.stderr.startswith("PERMISSION_DENIED ")


def test_javascript_says_what_to_do_where_nobody_listens(program: Path) -> None:
    refused = run(f"127.0.0.1:{free_port()}", "", "node", program)
    assert refused.returncode == 1
    assert refused.stderr.startswith("UNAVAILABLE: ")
    assert refused.stderr.endswith("Start a gateway first: make run\n")
