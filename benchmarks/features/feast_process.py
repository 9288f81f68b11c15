"""Feast in a process and an environment of its own, made from PyPI in `var/bench/feast`."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.features.rows import COLUMNS

REQUIREMENT = "feast[redis]==0.67.0"
HOME = Path(__file__).parents[2] / "var/bench/feast"

Wanted = Sequence[list[str]]
"""The entities of each call."""


def install() -> None:
    """Makes its environment, unless it is there.

    Raises:
        CalledProcessError: It cannot be made; pip has said why.
    """
    if (HOME / "bin/feast").exists():
        return
    print(f"installing {REQUIREMENT} into {HOME}", flush=True)
    make = [sys.executable, "-m", "venv", "--clear", str(HOME)]
    fill = [str(HOME / "bin/pip"), "install", "--quiet", "--disable-pip-version-check", REQUIREMENT]
    for command in (make, fill):
        subprocess.run(command, check=True)  # noqa: S603 - our own commands


class Feast:
    """Feast in a process of its own.

    Args:
        folder: Where it keeps its registry.
        place: Redis, `host:port`.
        entities: How many it stores.
    """

    def __init__(self, folder: Path, place: str, entities: int) -> None:
        side = Path(__file__).with_name("feast_side.py")
        # Without its own folder on its path (-P), in which this file has Feast's name.
        command = [HOME / "bin/python", "-P", side, folder, place, entities, COLUMNS]
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._hear()

    async def read(self, entities: list[str]) -> list[tuple[float, ...]]:
        """Reads features."""
        return [tuple(row) for row in self._ask({"read": entities})["rows"]]

    async def measure(self, wanted: Wanted) -> float:
        """Makes calls, one after the other."""
        return float(self._ask({"calls": wanted})["cpu_seconds"])

    def close(self) -> None:
        """Ends it."""
        self._process.communicate()

    def _ask(self, question: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{json.dumps(question)}\n")
        self._process.stdin.flush()
        return self._hear()

    def _hear(self) -> Any:
        """Reads an answer; Feast also writes lines of its own."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise RuntimeError(f"Feast ended with status {self._process.wait()}; run its part by hand to see why")
