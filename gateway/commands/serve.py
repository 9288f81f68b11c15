"""`gapura serve`: runs the gateway."""

import click

from gateway.errors import ConfigurationError

LEVELS = ("debug", "info", "warning", "error")


@click.command()
@click.option("--listen", help="Address, host:port or unix:/path.  [GAPURA_LISTEN; default: 127.0.0.1:9003]")
@click.option("--listener", help="Listener, grpcio or native.  [GAPURA_LISTENER; default: grpcio]")
@click.option(
    "--trusted-network",
    is_flag=True,
    default=None,
    help="Let the native listener, which one caller could end, take any address.  [GAPURA_TRUSTED_NETWORK]",
)
@click.option("--log-level", type=click.Choice(LEVELS), default="info", show_default=True, help="Lowest level logged.")
def serve(*, listen: str | None, listener: str | None, trusted_network: bool | None, log_level: str) -> None:
    """Serve the models of the catalog until SIGTERM or Ctrl-C.

    Every setting has an environment variable GAPURA_...; docs/settings.md lists them.
    """
    import uvloop

    from gateway.app import serve as run
    from gateway.logs import configure_logs
    from gateway.settings import read_settings

    configure_logs(log_level)
    try:
        uvloop.run(run(read_settings(listen=listen, listener=listener, trusted_network=trusted_network)))
    except ConfigurationError as error:
        raise click.ClickException(error.message) from error
