"""Generations of the catalog that were live, remembered in a file beyond the processes that told of them."""

import json
from collections.abc import Iterable
from pathlib import Path
from threading import Lock

import structlog
from pydantic import ValidationError

from gateway.operations.states import Generation, State

FILE = "catalog_history.jsonl"
MOST = 500

log = structlog.get_logger(__name__)


class Generations:
    """Remembers generations; any thread may ask.

    Args:
        folder: Telemetry folder.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._lock = Lock()
        self._problem = ""
        self._known = read_generations(self._path)

    def learn(self, states: Iterable[State]) -> None:
        """Remembers what processes tell; of one generation what was told first."""
        told = {each.generation: each for state in states if state.catalog for each in state.catalog.history}
        with self._lock:
            new = {number: each for number, each in told.items() if number and number not in self._known}
            if not new:
                return
            latest = sorted((self._known | new).items(), reverse=True)[:MOST]
            self._known = dict(latest)
            self._write()

    def latest(self) -> list[Generation]:
        """Returns them, newest first."""
        with self._lock:
            return [self._known[number] for number in sorted(self._known, reverse=True)]

    def _write(self) -> None:
        lines = [each.model_dump_json() for _, each in sorted(self._known.items())]
        beside = self._path.with_suffix(".tmp")
        try:
            beside.write_text("".join(f"{line}\n" for line in lines))
            beside.replace(self._path)
        except OSError as error:
            problem = error.strerror or repr(error)
            if problem != self._problem:
                log.error("the history of the catalog cannot be written", path=str(self._path), reason=problem)
            self._problem = problem


def read_generations(path: Path) -> dict[int, Generation]:
    """Reads what was remembered, by generation; a damaged line is left out."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return {}
    found: dict[int, Generation] = {}
    for line in lines[-MOST:]:
        try:
            each = Generation.model_validate(json.loads(line))
        except (ValueError, ValidationError):
            continue
        found[each.generation] = each
    return found
