"""Downloads Debian packages with apt-get, from the mirror that it is set to."""

import shutil
import subprocess
from pathlib import Path

from hub.errors import HubError
from hub.training.carriers.carrier import Carrier

_ARCHIVE = "https://snapshot.debian.org"


def fetch(carrier: Carrier, folder: Path) -> None:
    """Puts the package into a folder.

    Raises:
        HubError: There is no apt-get, or it cannot.
    """
    apt = shutil.which("apt-get")
    elsewhere = f"take {carrier.file} from {_ARCHIVE}, which keeps every version"
    if apt is None:
        raise HubError(f"{carrier.requirement} is a Debian package, and there is no apt-get here: {elsewhere}")
    command = [apt, "download", "--quiet", carrier.requirement]
    done = subprocess.run(  # noqa: S603 - fixed arguments
        command, cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode or not (folder / carrier.file).exists():
        reasons = [line for line in done.stderr.splitlines() if line.startswith("E:")]
        raise HubError(
            f"apt-get could not download {carrier.requirement}: {reasons[-1] if reasons else 'no reason given'}\n"
            f"Run `apt-get update` and try again; where the mirror has another version, {elsewhere}"
        )
