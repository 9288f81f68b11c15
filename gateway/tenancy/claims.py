"""Reads what a token claims, which proves nothing yet, and compares it with what is taken of its issuer."""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Iterator, Mapping
from math import isfinite
from typing import Any, NamedTuple

from gateway.tenancy.issuers import TokenIssuer

MOST_CHARACTERS = 16 << 10
GROUP = 4  # characters of base64 that stand for whole bytes
EXTENSIONS = "crit"  # of the header: extensions that a verifier has to know, and none is known here

_SHAPE = re.compile(r"(([A-Za-z0-9_-]++)\.([A-Za-z0-9_-]++))\.([A-Za-z0-9_-]++)")


class Unproven(NamedTuple):
    """What a token says of itself.

    Attributes:
        header: How it is signed.
        claims: Who it speaks of, and to whom.
        signed: What its signature is for.
        signature: Raw bytes.
    """

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes


def read(token: str) -> Unproven | None:
    """Takes a token apart (RFC 7515, compact); None where it is not well formed, or longer than `MOST_CHARACTERS`."""
    parts = _SHAPE.fullmatch(token) if len(token) <= MOST_CHARACTERS else None
    if parts is None:
        return None
    signed, *encoded = parts.groups()
    try:
        header, claims, signature = map(decode, encoded)
        told, claimed = json.loads(header), json.loads(claims)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict) or not isinstance(claimed, dict) or EXTENSIONS in told:
        return None
    return Unproven(told, claimed, signed.encode(), signature)


def decode(part: str) -> bytes:
    """Reads base64 without padding (RFC 7515, section 2).

    Raises:
        ValueError: It is not what writing those bytes gives.
    """
    content = urlsafe_b64decode(part + "=" * (-len(part) % GROUP))
    if urlsafe_b64encode(content).decode().rstrip("=") != part:
        raise ValueError("bits are left over")
    return content


def faults(unproven: Unproven, issuer: TokenIssuer, now: float) -> Iterator[str]:
    """Yields what keeps a token of an issuer from being taken, its signature and its end aside.

    Each says what is wrong and what to change, without anything of the token.
    """
    header, claims = unproven.header, unproven.claims
    if header.get("alg") not in issuer.algorithms:
        yield f"the token is signed in a way that is not taken; ask the issuer to use {' or '.join(issuer.algorithms)}"
    if not isinstance(header.get("kid"), str):
        yield "the token does not say with which key it is signed; ask the issuer to name it, as `kid`"
    if not is_for(claims.get("aud"), issuer.audience):
        wanted = " or ".join(f"'{audience}'" for audience in issuer.audience)
        yield f"the token's audience is not one that this gateway takes; ask the issuer for a token for {wanted}"
    if seconds(claims.get("exp")) is None:
        yield "the token does not say when it ends; ask the issuer for one whose `exp` is a number of seconds"
    begins = seconds(claims.get("nbf", 0))
    if begins is None or now < begins - issuer.leeway_seconds:
        yield "the token is not valid yet; try again later, or compare the clocks of the issuer and the gateway"
    if not is_name(claims.get(issuer.claim)):
        yield f"the token's claim '{issuer.claim}' is not a line of text; ask the issuer to fill it in"


def is_for(told: object, audience: Collection[str]) -> bool:
    """Says whether a token's `aud`, which is one text or a list of them, names one of an audience."""
    names = told if isinstance(told, list) else [told]
    return all(isinstance(name, str) for name in names) and any(name in audience for name in names)


def seconds(value: object) -> float | None:
    """Returns a time in seconds since 1970; None where a value is none, such as text, or has no end."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        moment = float(value)
    except OverflowError:
        return None
    return moment if isfinite(moment) else None


def is_name(value: object) -> bool:
    """Says whether a value is text that can stand in a line: without line breaks or halves of characters."""
    return isinstance(value, str) and bool(value) and value.isprintable()
