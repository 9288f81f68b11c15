"""`gapura publish --watch`: the reconciler, and the listener for webhooks where there is one."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType

from hub.errors import HubError
from hub.publishing.progress import Progress
from hub.settings import HubSettings
from hub.watch.reconciler import Reconciler
from hub.watch.webhooks import WebhookListener


def watch(settings: HubSettings, say: Callable[[str], None], progress: Progress) -> None:
    """Publishes until SIGTERM, after which the look under way is finished, or Ctrl-C, which is safe at any moment.

    Raises:
        HubError: Webhooks are to be taken, and there is no secret, or their address cannot be had.
    """
    reconciler = Reconciler(settings, say, progress)
    listener = _listener(settings, reconciler.wake.set)
    with _ended_by_sigterm(reconciler), listener if listener is not None else nullcontext():
        say(f"watching {settings.mlflow_uri} every {settings.poll_seconds:g} s")
        reconciler.run()


def _listener(settings: HubSettings, wake: Callable[[], None]) -> WebhookListener | None:
    if settings.webhook_listen is None:
        return None
    if settings.webhook_secret is None:
        raise HubError("GAPURA_WEBHOOK_SECRET is missing: webhooks are only taken when MLflow signs them")
    host, _, port = settings.webhook_listen.rpartition(":")
    return WebhookListener(host, int(port), settings.webhook_secret.get_secret_value(), wake)


@contextmanager
def _ended_by_sigterm(reconciler: Reconciler) -> Iterator[None]:
    def end(_signal: int, _frame: FrameType | None) -> None:
        reconciler.stop.set()
        reconciler.wake.set()

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
