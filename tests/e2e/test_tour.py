"""`gapura up --once`, which is what `make run ARGS=--once` runs, and the example, as a newcomer meets them."""

import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import Published
from tests.e2e.conftest import Serving
from tests.e2e.serving import COMMAND, free_port

ROOT = Path(__file__).parents[2]


def test_the_tour_scores_held_out_applicants_and_ends_with_0(published: Published) -> None:
    """The model is published already, so that nothing is trained again."""
    listen = f"127.0.0.1:{free_port()}"
    ended = subprocess.run(
        [*COMMAND, "up", "--once", "--listen", listen],
        env=dict(published.environment),
        cwd=published.var,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    auc = re.search(r"AUC over 30,000 held-out applicants: ([\d.]+)", ended.stdout)
    assert auc is not None
    assert float(auc[1]) >= 0.86
    assert "defaulted" in ended.stdout
    assert "gapura call credit --customer-id applicant-" in ended.stdout


def test_the_example_scores_an_applicant(serving: Serving, published: Published) -> None:
    environment = {**published.environment, "GAPURA_TARGET": serving.address, "GAPURA_API_KEY": serving.api_key}
    command = [sys.executable, str(ROOT / "examples/score_applicant.py")]
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(r"probability of default 0\.\d{3}, RISK_CATEGORY_\w+, limit \d+\.00\n", printed)
