"""Reads the public keys of an issuer, a JSON Web Key Set (RFC 7517), from a file or a URL."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.errors import ConfigurationError
from gateway.tenancy.issuers import ALGORITHMS, is_url

if TYPE_CHECKING:
    from jwt import PyJWK

# Keys by their id and by the algorithm whose signatures they verify.
Keys = Mapping[tuple[str, str], "PyJWK"]

FETCH_SECONDS = 5.0  # for each step of an exchange, such as the connection
MOST_BYTES = 1 << 20  # of a file; PyJWT sets no bound on what a server sends
RSA = "RSA"
OF_RSA = tuple(name for name in ALGORITHMS if name.startswith(("RS", "PS")))


def require_jwt() -> None:
    """Imports PyJWT, which only gateways with issuers need.

    Raises:
        ConfigurationError: It is not installed, or without what verifies public keys' signatures.
    """
    try:
        import cryptography  # noqa: F401, PLC0415 - of the extra
        import jwt  # noqa: F401, PLC0415 - the extra
    except ImportError as error:
        raise ConfigurationError("issuers of tokens need PyJWT; run pip install 'gapura[jwt]'") from error


def fetch(location: str) -> dict[str, Any]:
    """Reads what stands at a location: a JSON object. It waits for disks and servers.

    Raises:
        ConfigurationError: There is nothing, or something else.
    """
    from jwt import PyJWKClient, PyJWTError  # noqa: PLC0415 - the extra

    try:
        if is_url(location):
            content = PyJWKClient(location, cache_jwk_set=False, timeout=FETCH_SECONDS).fetch_data()
        else:
            content = json.loads(read_file(Path(location)))
    except (OSError, ValueError, RecursionError, PyJWTError) as error:
        raise ConfigurationError(f"cannot read {location}: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ConfigurationError(f"{location} is not a JSON object with a list 'keys'")
    return content


def read_file(path: Path) -> bytes:
    """Reads a file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is too long for a set of keys.
    """
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES} bytes")
    return content


def parse(content: Mapping[str, Any]) -> Keys:
    """Takes the keys that verify signatures out of a set; of two with the same id, the first. Others are left alone.

    Raises:
        ConfigurationError: There is none, or a private key lies open.
    """
    entries = content.get("keys")
    keys: dict[tuple[str, str], PyJWK] = {}
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig" or not isinstance(entry.get("kid"), str):
            continue
        if "d" in entry:
            raise ConfigurationError("the set of keys holds a private key; replace it, and publish public parts alone")
        for key in usable(entry):
            keys.setdefault((entry["kid"], key.algorithm_name), key)
    if not keys:
        raise ConfigurationError("the set has no key with a `kid` that is EC, Ed25519, or RSA of 2048 bits or more")
    return keys


def usable(entry: dict[str, Any]) -> Iterator["PyJWK"]:
    """Yields a key once for each algorithm that it is for: the one that it names, or else those of its kind."""
    from jwt import PyJWK, PyJWTError  # noqa: PLC0415 - the extra

    stated, kind = entry.get("alg"), entry.get("kty")
    for algorithm in OF_RSA if stated is None and kind == RSA else (stated,):
        try:
            key = PyJWK(entry, algorithm)
            key.Algorithm.prepare_key(key.key)  # compares the curve
        except (PyJWTError, TypeError, ValueError):
            continue
        if key.algorithm_name in ALGORITHMS and key.Algorithm.check_key_length(key.key) is None:
            yield key
