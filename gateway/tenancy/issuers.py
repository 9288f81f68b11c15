"""Issuers whose tokens say who calls: entries of the list `issuers` of the tenants file."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from gateway.addresses import is_loopback

MARK = "://"

# Signatures that a public key verifies. HS256 and its kin are not here: whoever could verify them could make them.
ALGORITHMS = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES256K",
    "ES384",
    "ES512",
    "EdDSA",
)


def read_several(value: object) -> object:
    """Takes one text for a list of one."""
    return (value,) if isinstance(value, str) else value


def read_algorithm(name: str) -> str:
    """Takes the name of an algorithm whose signatures a public key verifies.

    Raises:
        ValueError: It is another one.
    """
    if name not in ALGORITHMS:
        raise ValueError(f"'{name}' is not verified with a public key; choose from {', '.join(ALGORITHMS)}")
    return name


def read_location(location: str) -> str:
    """Takes a path, an https URL, or an http URL of this machine.

    Raises:
        ValueError: It is another URL, or one with a password.
    """
    if not is_url(location):
        return location
    parts = urlsplit(location)
    scheme, host = parts.scheme.lower(), parts.hostname or ""
    if not host or "@" in parts.netloc:
        raise ValueError("the URL needs a host, and can have no user or password")
    if scheme != "https" and not (scheme == "http" and is_loopback(host)):
        raise ValueError("keys are read from a file or an https:// URL; http:// is for this machine alone")
    return location


def is_url(location: str) -> bool:
    """Says whether a location is a URL rather than a path."""
    return MARK in location


Text = Annotated[str, StringConstraints(min_length=1)]
Algorithm = Annotated[str, AfterValidator(read_algorithm)]
Location = Annotated[Text, AfterValidator(read_location)]
Audiences = Annotated[tuple[Text, ...], BeforeValidator(read_several), Field(min_length=1)]
Algorithms = Annotated[tuple[Algorithm, ...], BeforeValidator(read_several), Field(min_length=1)]


class TokenIssuer(BaseModel):
    """One issuer of tokens (JWT, RFC 7519).

    Attributes:
        issuer: The exact `iss` of its tokens.
        audience: A token is taken if its `aud` names one of these; one text stands for a list of one.
        jwks: Where its public keys are (RFC 7517): a path, from the working directory if it is relative, or a URL.
        algorithms: Signatures that are taken; one text stands for a list of one.
        leeway_seconds: How far clocks may differ: a token counts so much earlier and longer than it says.
        refresh_seconds: Time between two looks at its keys.
        claim: The claim whose text names the subject.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: Text
    audience: Audiences
    jwks: Location
    algorithms: Algorithms = ("RS256", "ES256")
    leeway_seconds: float = Field(default=30, ge=0, le=300, allow_inf_nan=False)
    refresh_seconds: float = Field(default=300, ge=1, allow_inf_nan=False)
    claim: Text = "sub"
