"""Downloads Debian packages with apt-get, from the mirror that it is set to."""

import shutil
import subprocess
import tempfile
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
    reason = _download(apt, carrier, folder)
    if reason:  # perhaps the lists of packages are old, or there are none yet
        with tempfile.TemporaryDirectory(prefix="gapura-") as name:
            reason = _download(apt, carrier, folder, *_lists_in(apt, Path(name)))
    if reason:
        raise HubError(
            f"apt-get could not download {carrier.requirement}: {reason}\n"
            f"Where the mirror has another version, {elsewhere}"
        )


def _download(apt: str, carrier: Carrier, folder: Path, *options: str) -> str:
    """Downloads the package; returns why it is not there, or nothing."""
    done = _run(folder, apt, *options, "download", "--quiet", carrier.requirement)
    reasons = [line for line in done.stderr.splitlines() if line.startswith("E:")] or ["no reason given"]
    return "" if (folder / carrier.file).exists() and not done.returncode else reasons[-1]


def _lists_in(apt: str, folder: Path) -> tuple[str, ...]:
    """Fetches lists of packages of our own, which needs no root; returns the options that use them."""
    for part in ("lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True)
    options = ("-o", f"Dir::State::lists={folder}/lists", "-o", f"Dir::Cache={folder}/cache")
    _run(folder, apt, *options, "--quiet", "update")
    return options


def _run(folder: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 - apt-get alone
