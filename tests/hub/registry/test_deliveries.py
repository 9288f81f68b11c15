"""A real MLflow server wakes the hub by webhooks that it signs."""

import queue
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import mlflow
import pytest
from mlflow.entities.webhook import Webhook

from hub.registry import ModelRegistry
from hub.watch.webhooks import WebhookListener
from tests.hub.registry.conftest import Store
from tests.hub.registry.teams import register

_SECONDS = 60.0  # on a machine that is busy with something else


@pytest.fixture
def registry(server: Store) -> ModelRegistry:
    return ModelRegistry(server.uri)


@contextmanager
def subscribed(port: int, secret: str) -> Iterator[Webhook]:
    """Makes MLflow tell a listener of moved aliases."""
    client = mlflow.MlflowClient()
    webhook = client.create_webhook(
        f"hub-{port}",
        f"http://127.0.0.1:{port}/",
        ["model_version_alias.created", "model_version_alias.deleted"],
        secret=secret,
    )
    try:
        yield webhook
    finally:
        client.delete_webhook(webhook.webhook_id)


def test_a_moved_alias_wakes_the_hub(registry: ModelRegistry, team: str) -> None:
    register(registry, team)
    secret, woken = secrets.token_hex(32), queue.Queue[None]()
    with (
        WebhookListener("127.0.0.1", 0, secret, lambda: woken.put(None)) as listener,
        subscribed(listener.port, secret),
    ):
        registry.deploy_model(team, "churn", 1)
        woken.get(timeout=_SECONDS)
        registry.remove_alias(team, "churn", "champion")
        woken.get(timeout=_SECONDS)
    assert woken.empty()


@pytest.mark.parametrize(("theirs", "status"), [("the same", 200), ("another", 401)])
def test_a_server_with_another_secret_wakes_nobody(registry: ModelRegistry, theirs: str, status: int) -> None:
    del registry  # which has made the server this process's own
    woken = queue.Queue[None]()
    with (
        WebhookListener("127.0.0.1", 0, "the same", lambda: woken.put(None)) as listener,
        subscribed(listener.port, theirs) as webhook,
    ):
        answer = mlflow.MlflowClient().test_webhook(webhook.webhook_id)
    assert (answer.success, answer.response_status, woken.qsize()) == (status == 200, status, int(status == 200))
