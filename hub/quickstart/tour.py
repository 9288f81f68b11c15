"""The tour: train and publish what is missing, serve, score held-out applicants, show how to call."""

import subprocess
import sys
from contextlib import ExitStack

import click
import gapura_client
from erpml.finance.v1 import credit_service_pb2
from gapura_deployment.nodes import NAMES
from gapura_deployment.options import TRITON, VALKEY, Choice
from gapura_supervisor.addresses import require_free
from gapura_supervisor.report import describe
from rich.console import Console

from hub.catalog import find_model, read_catalog
from hub.errors import HubError
from hub.publication import publish_all
from hub.quickstart.applicants import Applicant, pick_mixed, read_requests
from hub.quickstart.deployment import Deployment, require_idle
from hub.quickstart.interruption import Interruption
from hub.quickstart.models import MODELS, train_missing
from hub.quickstart.scoring import measure_auc, measure_fraud_auc, score_one_by_one
from hub.quickstart.steps import Say, Steps
from hub.quickstart.summary import explain_calls, tabulate
from hub.quickstart.transactions import read_transactions
from hub.quickstart.triton_installation import install_triton
from hub.quickstart.views import fill_views
from hub.repository import Repository
from hub.settings import HubSettings
from hub.training.applicants import read_applicants

_SERVICE = credit_service_pb2.DESCRIPTOR.services_by_name["CreditService"].full_name
_SHOWN_OF_EACH = 6
_LOCK_SECONDS = 300.0  # the hub that runs beside the gateway may convert the same models


def take_tour(settings: HubSettings, choice: Choice, *, once: bool) -> None:
    """Runs all steps; serves on until a signal, unless `once`. What it started ends with it, however it ends.

    Raises:
        HubError: A step failed; the message says why.
        SupervisionError: The address is taken or none, or a deployment runs already.
        KeyboardInterrupt: A signal came before the calls were over.
    """
    require_idle(settings.var)
    require_free(choice.listen)
    own_nodes = choice.backend == TRITON and not (settings.nodes or settings.gpu_nodes)
    interruption, steps = Interruption(), Steps()
    with interruption.listening(), ExitStack() as stack:
        deployment = Deployment(choice, settings.var, interruption)
        stack.callback(deployment.stop)
        for model in MODELS:
            with steps.step(f"train {model.pipeline}") as say:
                train_missing(model, settings, say)
        if own_nodes:
            settings = settings.model_copy(update={"nodes": _start_nodes(settings, deployment, steps)})
        _publish(settings, steps)
        with steps.step(f"start the gateway on {choice.listen}"):
            if not own_nodes:
                deployment.start()
            state = deployment.wait_until_serving(_SERVICE, _key_of(settings))
        stored = VALKEY in choice.extras or bool(settings.features_url or settings.redis_url)
        if stored:
            with steps.step("materialise features") as say:
                fill_views(settings, say)
        _score(settings, deployment.target, steps, stored=stored)
        click.echo(f"\n{describe(state)}")
        if not once:
            _serve_on(deployment, settings)
    click.echo("the gateway and its nodes have stopped" if own_nodes else "the gateway has stopped")


def _start_nodes(settings: HubSettings, deployment: Deployment, steps: Steps) -> tuple[str, ...]:
    """Starts the deployment, whose workers wait for a catalog; returns the addresses of its Triton nodes."""
    with steps.step("install Triton") as say:
        install_triton(say)
    with steps.step("start two Triton nodes") as say:
        settings.repository.mkdir(parents=True, exist_ok=True)
        deployment.start()
        nodes = deployment.wait_for(frozenset(NAMES))
        for node in nodes:
            say(f"{node.name} serves {node.address}")
        return tuple(node.address for node in nodes)


def _publish(settings: HubSettings, steps: Steps) -> None:
    """Makes sure of a catalog and a tenant."""
    with steps.step("publish") as say:
        publish_all(settings, say, lock_seconds=_LOCK_SECONDS)
        for name in (model.name for model in MODELS):
            live, repository = find_model(read_catalog(settings.catalog), name), Repository(settings.repository)
            if live is None or not all(repository.holds(name, version) for version in live.versions):
                raise HubError(f"{name} cannot be served: the reason stands above")
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


def _score(settings: HubSettings, target: str, steps: Steps, *, stored: bool) -> None:
    """Makes the calls and shows what came back.

    Args:
        settings: Where everything is.
        target: Address of the gateway.
        steps: Shows what is done.
        stored: Whether features are stored, so that ids are enough.
    """
    with gapura_client.connect(target, api_key=_key_of(settings)) as channel:
        with steps.step("score applicants that training never saw") as say:
            applicants = _held_out(settings, say)
            say(f"AUC over {len(applicants):,} held-out applicants: {measure_auc(channel, applicants):.4f}")
            if stored:
                by_id = [applicant.by_id() for applicant in applicants]
                say(f"the same by customer id alone, features from the store: {measure_auc(channel, by_id):.4f}")
        with steps.step("score card transactions, which are synthetic") as say:
            requests, fraud = read_transactions(settings.var / "data")
            auc = measure_fraud_auc(channel, requests, fraud)
            say(f"AUC over {len(requests):,} held-out transactions: {auc:.4f}")
        shown = pick_mixed(applicants, _SHOWN_OF_EACH)
        Console().print(tabulate(shown, score_one_by_one(channel, shown)))
    click.echo(explain_calls(shown[0].request, target, settings.var / "api-key"))


def _key_of(settings: HubSettings) -> str:
    """Returns the key of the tour's tenant."""
    return (settings.var / "api-key").read_text().strip()


def _held_out(settings: HubSettings, say: Say) -> list[Applicant]:
    _, held_out = read_applicants(settings.var / "data", say)
    return read_requests(held_out)


def _serve_on(deployment: Deployment, settings: HubSettings) -> None:
    click.echo(
        f"\nServing until Ctrl-C. `gapura ps` shows this table, `gapura reload` replaces workers without a failed"
        f" call; logs are in {settings.var / 'log'}."
    )
    try:
        deployment.wait()
    except KeyboardInterrupt:
        click.echo("stopping")
