"""The page over a telemetry folder, served in this process on a free port."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.operations.access import Access
from gateway.operations.history import History
from gateway.operations.http import HttpServer
from gateway.operations.look import Sources
from gateway.operations.metrics import Metrics
from gateway.operations.page import Page
from gateway.telemetry.reading import SheetReader


@contextmanager
def serve_page(folder: Path, history: History | None = None, token: str | None = None) -> Iterator[str]:
    """Serves the page; yields its URL without the last slash.

    Args:
        folder: Telemetry folder.
        history: What is remembered; what is there now, if nothing is told.
        token: What callers have to know.
    """
    if history is None:
        history = History()
        history.add(SheetReader(folder).take())
    sources = Sources(folder, folder / "usage", history)
    sources.learn()
    page = Page(sources, Metrics(folder / "usage", folder), Access("127.0.0.1", token))
    server = HttpServer("127.0.0.1:0", "TEST", page.answer)
    yield f"http://{server.start()}"
    server.stop()
    sources.traces.close()
