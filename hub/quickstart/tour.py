"""The tour: train and publish what is missing, serve, score held-out applicants, show how to call."""

import subprocess
import sys
from contextlib import ExitStack

import click
import gapura_client
from erpml.finance.v1 import credit_service_pb2
from rich.console import Console

from hub.catalog import find_model, read_catalog
from hub.errors import HubError
from hub.publication import publish_all
from hub.quickstart.address import require_free, target_of
from hub.quickstart.applicants import Applicant, pick_mixed, read_requests
from hub.quickstart.gateway_process import GatewayProcess
from hub.quickstart.interruption import Interruption
from hub.quickstart.scoring import measure_auc, score_one_by_one
from hub.quickstart.steps import Say, Steps
from hub.quickstart.summary import explain_calls, tabulate
from hub.quickstart.triton_nodes import TritonNodes
from hub.registry import ModelRegistry
from hub.repository import Repository
from hub.settings import HubSettings
from hub.training.applicants import read_applicants
from hub.training.credit_scoring import MODEL
from hub.training.pipelines import find_pipeline
from hub.training.run import train_and_register

_PIPELINE = "team3/credit_scoring"
_SERVICE = credit_service_pb2.DESCRIPTOR.services_by_name["CreditService"].full_name
_SHOWN_OF_EACH = 6
TRITON = "triton"


def take_tour(settings: HubSettings, listen: str, *, backend: str, once: bool) -> None:
    """Runs all steps; serves on until a signal, unless `once`. What it started ends with it, however it ends.

    Raises:
        HubError: A step failed; the message says why.
        KeyboardInterrupt: A signal came before the calls were over.
    """
    require_free(listen)
    interruption, steps = Interruption(), Steps()
    with interruption.listening(), ExitStack() as stack:
        _train(settings, steps)
        if backend == TRITON:
            nodes = TritonNodes(settings.repository, interruption)
            stack.callback(nodes.stop)
            settings = settings.model_copy(update={"nodes": _start_nodes(nodes, steps), "gpu_nodes": ()})
        _publish(settings, steps)
        environment = {
            "GAPURA_BACKEND": backend,
            "GAPURA_NODES": ",".join(settings.nodes),
            "GAPURA_GPU_NODES": ",".join(settings.gpu_nodes),
        }
        gateway = GatewayProcess(listen, settings.var / "gateway.log", interruption, environment)
        stack.callback(gateway.stop)
        with steps.step(f"start the gateway on {listen}"):
            gateway.start()
            gateway.wait_until_serving(target_of(listen), _SERVICE)
        _score(settings, target_of(listen), steps)
        if not once:
            _serve_on(gateway, settings)
    click.echo("the gateway has stopped" if backend != TRITON else "the gateway and its nodes have stopped")


def _train(settings: HubSettings, steps: Steps) -> None:
    """Makes sure of a champion."""
    with steps.step(f"train {_PIPELINE}") as say:
        if ModelRegistry(settings.registry_uri).champions().get(MODEL):
            say("nothing to do: the registry has a champion")
        else:
            train_and_register(find_pipeline(_PIPELINE), settings, say)


def _start_nodes(nodes: TritonNodes, steps: Steps) -> tuple[str, ...]:
    """Makes sure of two Triton nodes; returns their addresses."""
    with steps.step("install Triton") as say:
        nodes.install(say)
    with steps.step("start two Triton nodes") as say:
        return nodes.start(say)


def _publish(settings: HubSettings, steps: Steps) -> None:
    """Makes sure of a catalog and a tenant."""
    with steps.step("publish") as say:
        publish_all(settings, say)
        live, repository = find_model(read_catalog(settings.catalog), MODEL), Repository(settings.repository)
        if live is None or not all(repository.holds(MODEL, version) for version in live.versions):
            raise HubError(f"{MODEL} cannot be served: the reason stands above")
    with steps.step("add a tenant") as say:
        _add_tenant(settings, say)


def _add_tenant(settings: HubSettings, say: Say) -> None:
    key = settings.var / "api-key"
    if key.exists() and settings.tenants.exists():
        say(f"nothing to do: its key is in {key}")
        return
    command = [sys.executable, "-m", "gateway", "tenants", "add", "team3", "--models", "team3_*"]
    done = subprocess.run([*command, "--key-file", str(key)], capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    if done.returncode:
        raise HubError(f"the tenant could not be added: {done.stderr.strip()}")
    say(f"team3 may call team3_*; its key is in {key}")


def _score(settings: HubSettings, target: str, steps: Steps) -> None:
    """Makes the calls and shows what came back."""
    key = settings.var / "api-key"
    with gapura_client.connect(target, api_key=key.read_text().strip()) as channel:
        with steps.step("score applicants that training never saw") as say:
            applicants = _held_out(settings, say)
            say(f"AUC over {len(applicants):,} held-out applicants: {measure_auc(channel, applicants):.4f}")
        shown = pick_mixed(applicants, _SHOWN_OF_EACH)
        Console().print(tabulate(shown, score_one_by_one(channel, shown)))
    click.echo(explain_calls(shown[0].request, target, key))


def _held_out(settings: HubSettings, say: Say) -> list[Applicant]:
    _, held_out = read_applicants(settings.var / "data", say)
    return read_requests(held_out)


def _serve_on(gateway: GatewayProcess, settings: HubSettings) -> None:
    click.echo(f"\nServing until Ctrl-C; the log is {settings.var / 'gateway.log'}.")
    try:
        gateway.wait()
    except KeyboardInterrupt:
        click.echo("stopping")
