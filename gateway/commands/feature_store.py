"""`gapura feature-store`: runs the feature store service by itself."""

import click

from gateway.commands.serve import LEVELS
from gateway.errors import ConfigurationError


@click.command("feature-store")
@click.option(
    "--listen", help="Address, host:port or unix:/path.  [GAPURA_FEATURE_STORE_LISTEN; default: 127.0.0.1:9002]"
)
@click.option("--listener", help="Listener, grpcio or native.  [GAPURA_LISTENER; default: grpcio]")
@click.option("--log-level", type=click.Choice(LEVELS), default="info", show_default=True, help="Lowest level logged.")
def feature_store(*, listen: str | None, listener: str | None, log_level: str) -> None:
    """Serve stored features until SIGTERM or Ctrl-C: FeatureStoreService, health and reflection, and no models.

    `gapura serve` has the same service. Every other setting is as for `gapura serve`; docs/settings.md lists them.
    """
    import uvloop

    from gateway.feature_store_app import serve as run
    from gateway.logs import configure_logs
    from gateway.settings import read_settings

    configure_logs(log_level)
    try:
        address = listen or read_settings(listener=listener).feature_store_listen
        uvloop.run(run(read_settings(listen=address, listener=listener)))
    except ConfigurationError as error:
        raise click.ClickException(error.message) from error
