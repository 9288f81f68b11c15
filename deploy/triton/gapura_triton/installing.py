"""Makes the installation; killed at any point, the next run heals."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from gapura_supervisor.files import link_atomically, locked, write_atomically

from gapura_triton.errors import LauncherError
from gapura_triton.installation import (
    BACKEND,
    PACKAGES,
    Installation,
    check_machine,
    packages_problem,
    python_version,
    site_packages,
    stamp_of,
    wanted_stamp,
)

_STUB = "triton_python_backend_stub"
_LAST_LINES = 15


def install(installation: Installation, say: Callable[[str], None]) -> None:
    """Installs what is missing or another version's; a second run at the same time waits for the first.

    Raises:
        LauncherError: This machine cannot run it, or pip fails.
    """
    check_machine()
    started = time.monotonic()
    installation.home.mkdir(parents=True, exist_ok=True)
    with locked(installation.home / "install.lock"):
        done = list(_install(installation, say))
    installation.check()
    seconds = time.monotonic() - started
    said = f"installed {' and '.join(done)} in {seconds:.1f} s" if done else "nothing to do"
    say(f"{said} ({installation.home})")


def _install(installation: Installation, say: Callable[[str], None]) -> Iterator[str]:
    if packages_problem(installation.venv):
        say(f"installing {', '.join(PACKAGES)}; a minute or two")
        with (installation.home / "install.log").open("wb") as log:
            _replace_venv(installation.venv, log)
        yield "tritonserver"
    _link_python_backend(installation)
    content = BACKEND.read_bytes()
    if not installation.model_py.exists() or installation.model_py.read_bytes() != content:
        write_atomically(installation.model_py, content)
        yield "the onnxruntime backend"


def _replace_venv(venv: Path, log: IO[bytes]) -> None:
    """Builds the virtual environment beside its place, then swaps it in."""
    new = venv.with_name(f"{venv.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(new)], log)
    pip = [str(new / "bin/python"), "-m", "pip", "--disable-pip-version-check", "install"]
    # What the wheels demand beside each other, neither the backend nor the binary uses.
    _run([*pip, "--no-deps", "--only-binary=:all:", *PACKAGES], log)
    triton = site_packages(new) / "pytriton/tritonserver"
    shutil.copy2(triton / "python_backend_stubs" / python_version() / _STUB, triton / "backends/python" / _STUB)
    stamp_of(new).write_text(json.dumps(wanted_stamp()))
    shutil.rmtree(venv, ignore_errors=True)
    new.rename(venv)


def _link_python_backend(installation: Installation) -> None:
    python = installation.tritonserver.parents[1] / "backends/python"
    link_atomically(installation.backends / "python", f"../{python.relative_to(installation.home)}")


def _run(command: list[str], log: IO[bytes]) -> None:
    """Runs a command; its output goes to the log.

    Raises:
        LauncherError: It fails; the message has its last lines.
    """
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, check=True)  # noqa: S603 - our own command
    except subprocess.CalledProcessError as error:
        lines = Path(log.name).read_text(errors="replace").splitlines()[-_LAST_LINES:]
        told = "\n".join([*(f"    {line}" for line in lines), f"({log.name})"])
        raise LauncherError(f"installing failed with status {error.returncode}:\n{told}") from error
