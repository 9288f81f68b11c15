"""`gapura up --once`, which is what `make run ARGS=--once` runs, behind Envoy and over Triton, and the example.

The tour is that of one team; `test_newcomer` takes that of all.
"""

import re
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner
from gapura_supervisor.deployment import mark_of
from gapura_supervisor.processes import marked
from gapura_supervisor.state import Place

from hub.commands import up
from hub.quickstart.models import TEAMS
from tests.conftest import Published
from tests.e2e.conftest import Serving
from tests.e2e.deployments import share_triton
from tests.e2e.serving import COMMAND, free_port, own_ports
from tests.triton.nodes import wait_until

ROOT = Path(__file__).parents[2]
TOUR = ("up", "--only=team3")


def run(published: Published, *arguments: str) -> str:
    """Runs `gapura` where the credit model is published, so that it is not trained again; returns what it prints."""
    ended = subprocess.run(
        [*COMMAND, *arguments],
        env={**published.environment, **own_ports()},
        cwd=published.var,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr + ended.stdout
    return ended.stdout


def require_scores(printed: str) -> None:
    """Makes sure that a tour has scored applicants and transactions that training never saw."""
    auc = re.search(r"AUC over 30,000 held-out applicants: ([\d.]+)", printed)
    assert auc is not None
    assert float(auc[1]) >= 0.86
    assert f"the same by customer id alone, features from the store: {auc[1]}" in printed
    assert "defaulted" in printed
    assert "gapura call credit --customer-id applicant-" in printed
    fraud = re.search(r"AUC over [\d,]+ held-out transactions: ([\d.]+)", printed)
    assert fraud is not None
    assert float(fraud[1]) >= 0.95


def require_one_team(printed: str, var: Path) -> None:
    """Makes sure that a tour was that of one team, with a tenant that may call every team."""
    assert set(re.findall(r"team\d(?=[/_])", printed)) == {"team3"}
    key = var / "api-key"
    assert "erp may call team*; its key is in" in printed or "nothing to do: its key is in" in printed
    assert f"\nThe key of the tenant is in {key}.\n" in printed


def test_a_team_that_no_model_is_of_is_refused_with_those_that_there_are() -> None:
    refused = CliRunner().invoke(up, ["--only=team3", "--only=team9"])
    assert refused.exit_code == 2
    assert refused.output.endswith(f"Error: no model here is of team9; known: {', '.join(TEAMS)}\n")
    assert {"team1", "team2", "team3", "team4", "team6"} <= set(TEAMS)


def test_a_killed_tour_leaves_nothing_running(published: Published) -> None:
    command = [*COMMAND, *TOUR, "--listen", f"127.0.0.1:{free_port()}"]
    place = Place(published.var / "run")
    environment = {**published.environment, **own_ports()}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as tour:
        wait_until(lambda: place.read_live() is not None and bool(list(marked(mark_of(place)))), 60)
        tour.kill()
    wait_until(lambda: place.supervisor is None and not list(marked(mark_of(place))), 30)


def test_the_tour_on_triton_behind_the_edge_scores_alike_and_leaves_no_node_running(published: Published) -> None:
    share_triton(published.var)
    options = ["--backend=triton", "--edge=envoy", "--workers=2", "--listen", f"127.0.0.1:{free_port()}"]
    printed = run(published, *TOUR, "--once", *options)
    require_scores(printed)
    require_one_team(printed, published.var)
    parts = ["valkey", "up-1", "up-2", "worker-1", "worker-2", "feature-store", "operations", "publisher", "envoy"]
    assert re.findall(r"^(\S+) +(?:ready|starting) ", printed, re.MULTILINE) == ["supervisor", *parts]
    assert len(re.findall(r"up-\d serves 127\.0\.0\.1:\d+", printed)) == 2
    assert printed.endswith("the gateway and its nodes have stopped\n")
    assert re.findall(r"(up-\d) +(\w+)", run(published, "triton", "status")) == [
        ("up-1", "stopped"),
        ("up-2", "stopped"),
    ]


def test_the_example_scores_an_applicant(serving: Serving, published: Published) -> None:
    environment = {**published.environment, "GAPURA_TARGET": serving.address, "GAPURA_API_KEY": serving.api_key}
    command = [sys.executable, str(ROOT / "examples/score_applicant.py")]
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(r"probability of default 0\.\d{3}, RISK_CATEGORY_\w+, limit \d+\.00\n", printed)
