"""`gapura start --with publisher`: a deployment that publishes what the registry says."""

import os
import signal
import subprocess
import sys
from functools import partial

from gapura_supervisor.state import Phase, Place

from tests.e2e.serving import free_port, own_ports
from tests.hub.experimenting import set_tag, shares
from tests.hub.workplace import Workplace
from tests.supervisor.deployments import ROOT, Deployment, ended
from tests.triton.nodes import wait_until

_SECONDS = 60


def has_share(workplace: Workplace, buckets: int) -> bool:
    return shares(workplace).get("challenger") == buckets


def is_ready(deployment: Deployment) -> bool:
    parts = deployment.parts
    return "publisher" in parts and parts["publisher"].phase is Phase.READY


def test_a_deployment_publishes_what_the_registry_says_and_ends_on_sigterm(live: Workplace) -> None:
    command = [sys.executable, "-m", "gateway", "start", "--with=publisher", f"--listen=127.0.0.1:{free_port()}"]
    environment = {**os.environ, **own_ports(), "GAPURA_TENANTS": str(live.root / "tenants.yaml")}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    deployment = Deployment(live.root, process)
    with ended(process, Place(live.root / "run")):
        wait_until(partial(is_ready, deployment), _SECONDS)
        set_tag(live, "weight.challenger", "10")
        wait_until(partial(has_share, live, 1000), _SECONDS)
        log = (live.root / "log/publisher.log").read_text()
        assert "team1_model experiment default live: running: challenger 10 %" in log
        status, said = deployment.end(signal.SIGTERM)
        assert status == 0, said
        assert not deployment.left
