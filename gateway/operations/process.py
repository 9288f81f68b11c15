"""The process of the page: it reads, remembers and answers until it is told to end."""

from pathlib import Path

import structlog

from gateway.operations.access import Access
from gateway.operations.history import History, Recorder
from gateway.operations.http import HttpServer, parse_address
from gateway.operations.look import Sources
from gateway.operations.metrics import Metrics
from gateway.operations.page import Page
from gateway.telemetry.reading import SheetReader

SETTING = "GAPURA_OPERATIONS_LISTEN"
MOST_CONNECTIONS = 32

log = structlog.get_logger(__name__)


class Operations:
    """Serves the page.

    Args:
        address: Where it listens: `host:port`.
        token: What callers have to know; None if the address is one of loopback.
        telemetry: Telemetry folder.
        usage: Folder of usage files.

    Raises:
        ConfigurationError: The address is not valid, or others could reach it without a token.
    """

    def __init__(self, address: str, token: str | None, telemetry: Path, usage: Path) -> None:
        history = History()
        self._sheets = SheetReader(telemetry)
        self._sources = Sources(telemetry, usage, history)
        self._recorder = Recorder(history, self._sheets.take, self._sources.learn)
        access = Access(parse_address(address, SETTING)[0], token)
        page = Page(self._sources, Metrics(usage, telemetry), access)
        self._server = HttpServer(address, SETTING, page.answer, most=MOST_CONNECTIONS)

    def start(self) -> str:
        """Listens; returns the bound address.

        Raises:
            ConfigurationError: The address cannot be used.
        """
        self._recorder.start()
        address = self._server.start()
        log.info("operations page", url=f"http://{address}/")
        return address

    def stop(self) -> None:
        """Ends."""
        self._server.stop()
        self._recorder.stop()
        self._sources.traces.close()
        self._sheets.close()
