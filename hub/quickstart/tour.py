"""The tour: train and publish what is missing, serve, score held-out applicants, show how to call."""

import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack

import click
import gapura_client
from gapura_deployment.nodes import NAMES
from gapura_deployment.options import TRITON, VALKEY, Choice
from gapura_supervisor.addresses import require_free
from gapura_supervisor.report import describe

from hub.catalog import find_model, read_catalog
from hub.errors import HubError
from hub.publication import publish_all
from hub.quickstart.calls import CALLS
from hub.quickstart.calls.place import Place
from hub.quickstart.deployment import Deployment, require_idle
from hub.quickstart.interruption import Interruption
from hub.quickstart.models import TourModel, train_missing
from hub.quickstart.steps import Say, Steps
from hub.quickstart.triton_installation import install_triton
from hub.quickstart.views import fill_views
from hub.repository import Repository
from hub.settings import HubSettings

_TENANT, _MODELS = "erp", "team*"
_LOCK_SECONDS = 300.0  # the hub that runs beside the gateway may convert the same models


def take_tour(settings: HubSettings, choice: Choice, models: Sequence[TourModel], *, once: bool) -> None:
    """Runs all steps; serves on until a signal, unless `once`. What it started ends with it, however it ends.

    Args:
        settings: Where everything is.
        choice: What runs.
        models: Models that are trained, published and called.
        once: Whether to end after the calls.

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
        for model in models:
            with steps.step(f"train {model.pipeline}") as say:
                train_missing(model, settings, say)
        if own_nodes:
            settings = settings.model_copy(update={"nodes": _start_nodes(settings, deployment, steps)})
        _publish(settings, models, steps)
        with steps.step(f"start the gateway on {choice.listen}"):
            if not own_nodes:
                deployment.start()
            state = deployment.wait_until_serving([model.service for model in models], _key_of(settings))
        stored = VALKEY in choice.extras or bool(settings.features_url or settings.redis_url)
        if stored:
            with steps.step("materialise features") as say:
                fill_views(models, settings, say)
        with gapura_client.connect(deployment.target, api_key=_key_of(settings)) as channel:
            place = Place(channel, deployment.target, settings.var, settings.features, stored)
            for model in models:
                CALLS[model.pipeline](place, steps)
        click.echo(f"\nThe key of the tenant is in {settings.var / 'api-key'}.")
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


def _publish(settings: HubSettings, models: Sequence[TourModel], steps: Steps) -> None:
    """Makes sure of a catalog and a tenant."""
    with steps.step("publish") as say:
        publish_all(settings, say, lock_seconds=_LOCK_SECONDS)
        for name in (model.name for model in models):
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
    command = [sys.executable, "-m", "gateway", "tenants", "add", _TENANT, "--models", _MODELS]
    done = subprocess.run([*command, "--key-file", str(key)], capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    if done.returncode:
        raise HubError(f"the tenant could not be added: {done.stderr.strip()}")
    say(f"{_TENANT} may call {_MODELS}; its key is in {key}")


def _key_of(settings: HubSettings) -> str:
    """Returns the key of the tour's tenant."""
    return (settings.var / "api-key").read_text().strip()


def _serve_on(deployment: Deployment, settings: HubSettings) -> None:
    click.echo(
        f"\nServing until Ctrl-C. `gapura ps` shows this table, `gapura reload` replaces workers without a failed"
        f" call; logs are in {settings.var / 'log'}."
    )
    try:
        deployment.wait()
    except KeyboardInterrupt:
        click.echo("stopping")
