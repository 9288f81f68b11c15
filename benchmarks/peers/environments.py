"""Environments of peers, below `var/bench/peers`: one for each list of requirements, made once, from PyPI."""

import hashlib
import json
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deploy.install import install

HOME = Path("var/bench/peers")
AT_ONCE = 3
LAST_WORDS = 600
_PROJECT = re.compile(r"[\w.-]+")

Requirements = tuple[str, ...]


class NoEnvironmentError(Exception):
    """An environment cannot be made; the message says why."""


def make_environments(wanted: Collection[Requirements], home: Path = HOME) -> None:
    """Makes those that are not there yet, several at a time, for most of it is waiting for the network.

    Raises:
        NoEnvironmentError: One cannot be made.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda requirements: make_environment(requirements, home), set(wanted)))


def make_environment(requirements: Requirements, home: Path = HOME) -> Path:
    """Makes an environment where it is not there yet; returns the folder of its commands.

    It gets its name when it is whole, so that one whose making was broken off is made anew.

    Raises:
        NoEnvironmentError: It cannot be made.
    """
    folder = folder_of(requirements, home.absolute())
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=folder.parent) as scratch:
            new = Path(scratch, "environment")
            make_empty(new)
            if install(requirements, str(new / "bin/python"), compiled=True):
                raise NoEnvironmentError(f"{', '.join(requirements)} cannot be installed: see above")
            new.rename(folder)
    return folder / "bin"


def folder_of(requirements: Requirements, home: Path) -> Path:
    """Returns where an environment is: it is named after its first package, and everything that decides its content."""
    made_of = [platform.python_version(), platform.machine(), *requirements]
    found = _PROJECT.match(requirements[0])
    assert found, f"{requirements[0]!r} begins with no name of a package"
    return home / f"{found[0]}-{hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:12]}"


def make_empty(folder: Path) -> None:
    """Makes an environment without packages.

    Raises:
        NoEnvironmentError: uv cannot make it.
    """
    command = [sys.executable, "-m", "uv", "venv", "--quiet", "--relocatable", "--python", sys.executable, str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own command
    if done.returncode:
        raise NoEnvironmentError(f"`{' '.join(command)}` failed:\n{done.stderr[-LAST_WORDS:]}")
