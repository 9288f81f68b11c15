"""`gapura operations`: runs the page that operators look at."""

import click

from gateway.errors import ConfigurationError


@click.command()
@click.option("--listen", help="Address, host:port.  [GAPURA_OPERATIONS_LISTEN; default: 127.0.0.1:9006]")
def operations(*, listen: str | None) -> None:
    """Serve the operations page of this machine until SIGTERM or Ctrl-C.

    It shows traffic, traces, experiments, drift, nodes, tenants, the catalog and logs. It reads files alone, so it
    costs calls nothing, and shows what happened even when no gateway runs any more. An address that can be reached
    from elsewhere needs GAPURA_OPERATIONS_TOKEN, which browsers ask for as a password, whatever the user.
    """
    import signal
    from threading import Event

    from gateway.logs import configure_logs
    from gateway.operations.process import Operations
    from gateway.settings import read_settings

    configure_logs("info")
    ending = Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: ending.set())
    try:
        settings = read_settings(operations_listen=listen)
        secret = settings.operations_token
        token = secret.get_secret_value() if secret else None
        page = Operations(settings.operations_listen, token, settings.telemetry, settings.usage)
        page.start()
    except ConfigurationError as error:
        raise click.ClickException(error.message) from error
    ending.wait()
    page.stop()
