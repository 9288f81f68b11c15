"""Fetches pages and files over HTTP, through the proxies and with the certificates of the environment."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter

from hub.errors import HubError

_TIMEOUT_SECONDS = 20
_RETRIES = 2
_CHUNK_BYTES = 1 << 20
_AS_IT_IS = {"Accept-Encoding": "identity"}  # archives are compressed themselves


def read_page(address: str, certificates: str | None = None) -> str:
    """Returns a page.

    Args:
        address: Where it is.
        certificates: File with the authorities to trust; None trusts the usual ones.

    Raises:
        HubError: It cannot be fetched.
    """
    with _answer(address, certificates) as answer:
        return str(answer.text)


def download(address: str, file: Path, certificates: str | None = None) -> None:
    """Writes what is at an address into a file, as it comes.

    Args:
        address: Where it is.
        file: Where it goes.
        certificates: As `read_page` takes them.

    Raises:
        HubError: It cannot be fetched.
    """
    with _answer(address, certificates) as answer, file.open("wb") as target:
        for chunk in answer.iter_content(_CHUNK_BYTES):
            target.write(chunk)


@contextmanager
def _answer(address: str, certificates: str | None) -> Iterator[requests.Response]:
    try:
        with requests.Session() as session:
            session.mount("http://", HTTPAdapter(max_retries=_RETRIES))
            session.mount("https://", HTTPAdapter(max_retries=_RETRIES))
            with session.get(
                address, stream=True, timeout=_TIMEOUT_SECONDS, verify=certificates or True, headers=_AS_IT_IS
            ) as answer:
                answer.raise_for_status()
                yield answer
    except requests.RequestException as error:
        raise HubError(f"{address} cannot be fetched: {error}") from error
