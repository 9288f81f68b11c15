"""A real Prometheus with the configuration that is shipped, but for its target and its pace."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from tests.deploy.debian_prometheus import debian_prometheus
from tests.deploy.promtool import HOME
from tests.e2e.serving import free_port

START_SECONDS = 60
ANSWER_SECONDS = 30


class Prometheus:
    """A running server.

    Args:
        address: Where it listens.
    """

    def __init__(self, address: str) -> None:
        self._address = address

    def ask(self, path: str, **parameters: str) -> Any:
        """Asks the API; returns its data.

        Raises:
            URLError: It does not answer, or not well.
        """
        url = f"http://{self._address}/api/v1/{path}?{urlencode(parameters)}"
        with urlopen(url, timeout=ANSWER_SECONDS) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Returns the samples of an expression, now."""
        found: list[dict[str, Any]] = self.ask("query", query=expression)["result"]
        return found

    def value(self, expression: str) -> float | None:
        """Returns the only sample of an expression; None if there is none."""
        found = self.query(expression)
        return float(found[0]["value"][1]) if len(found) == 1 else None

    def listens(self) -> bool:
        """Says whether it answers."""
        try:
            self.ask("status/runtimeinfo")
        except (URLError, ConnectionError):
            return False
        return True


@contextmanager
def prometheus(folder: Path, target: str) -> Iterator[Prometheus]:
    """Runs one that reads the target each second and evaluates rules as often; yields it once it answers."""
    shutil.copytree(HOME, folder / "configuration")
    path = folder / "configuration/prometheus.yml"
    shipped = path.read_text()
    changed = shipped.replace("127.0.0.1:9006", target).replace("interval: 15s", "interval: 1s")
    path.write_text(changed.replace("interval: 30s", "interval: 1s"))
    address = f"127.0.0.1:{free_port()}"
    options = [f"--config.file={path}", f"--storage.tsdb.path={folder}/data", f"--web.listen-address={address}"]
    command = [debian_prometheus(), *options, "--enable-feature=exemplar-storage", "--log.level=warn"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        try:
            running = Prometheus(address)
            wait_until(running.listens, START_SECONDS)
            yield running
        finally:
            process.kill()
            process.wait()


def wait_until(holds: Any, seconds: float) -> None:
    """Waits until something holds.

    Raises:
        AssertionError: It did not in time.
    """
    until = monotonic() + seconds
    while not holds():
        assert monotonic() < until, "not in time"
        sleep(0.2)
