"""`gapura up --once`, which is what `make run ARGS=--once` runs, and the example, as a newcomer meets them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from gapura_supervisor.deployment import mark_of
from gapura_supervisor.processes import marked
from gapura_supervisor.state import Place

from tests.conftest import Published
from tests.e2e.conftest import Serving
from tests.e2e.serving import COMMAND, free_port, own_ports
from tests.triton.nodes import installed_home, wait_until

ROOT = Path(__file__).parents[2]


@pytest.fixture
def triton_home() -> Path:
    """The launcher's home, with tritonserver installed."""
    return installed_home()


def run(published: Published, *arguments: str) -> str:
    """Runs `gapura` where the model is published already, so that nothing is trained again; returns what it prints."""
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
    auc = re.search(r"AUC over 30,000 held-out applicants: ([\d.]+)", printed)
    assert auc is not None
    assert float(auc[1]) >= 0.86
    assert f"the same by customer id alone, features from the store: {auc[1]}" in printed
    assert "defaulted" in printed
    assert "gapura call credit --customer-id applicant-" in printed


@pytest.mark.parametrize(
    ("edge", "parts"),
    [
        ("none", ["valkey", "worker-1", "feature-store", "operations", "publisher"]),
        ("envoy", ["valkey", "worker-1", "worker-2", "feature-store", "operations", "publisher", "envoy"]),
    ],
)
def test_the_tour_scores_held_out_applicants_and_ends_with_0(published: Published, edge: str, parts: list[str]) -> None:
    workers = ["--workers=2"] if edge == "envoy" else []
    printed = run(published, "up", "--once", "--edge", edge, *workers, "--listen", f"127.0.0.1:{free_port()}")
    require_scores(printed)
    assert re.findall(r"^(\S+) +(?:ready|starting) ", printed, re.MULTILINE) == ["supervisor", *parts]


def test_a_killed_tour_leaves_nothing_running(published: Published) -> None:
    command = [*COMMAND, "up", "--listen", f"127.0.0.1:{free_port()}"]
    place = Place(published.var / "run")
    environment = {**published.environment, **own_ports()}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as tour:
        wait_until(lambda: place.read_live() is not None and bool(list(marked(mark_of(place)))), 60)
        tour.kill()
    wait_until(lambda: place.supervisor is None and not list(marked(mark_of(place))), 30)


def test_the_tour_on_triton_scores_alike_and_leaves_no_node_running(published: Published, triton_home: Path) -> None:
    home = published.var / "triton"  # the nodes are the test's own; the installation is shared
    home.mkdir()
    for part in ("venv", "backends"):
        (home / part).symlink_to(triton_home / part)
    printed = run(published, "up", "--once", "--backend=triton", "--listen", f"127.0.0.1:{free_port()}")
    require_scores(printed)
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
