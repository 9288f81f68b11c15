"""Tells who calls by a token (JWT, RFC 7519): its issuer says so, and its issuer's public key proves it.

What is checked, and in which order, follows RFC 8725: an issuer has its algorithms, its keys and its audiences.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from gateway.errors import Unauthenticated
from gateway.tenancy.claims import MOST_CHARACTERS, Unproven, faults, read
from gateway.tenancy.issuers import TokenIssuer
from gateway.tenancy.jwks import require_jwt
from gateway.tenancy.key_sets import KeySets

if TYPE_CHECKING:
    from jwt import PyJWK

MOST_PROVEN = 4096


class Proven(NamedTuple):
    """What a token has proven.

    Attributes:
        issuer: Its `iss`.
        subject: Text of the claim that names the subject.
        expires: When it ends, in seconds since 1970, with the leeway of its issuer.
    """

    issuer: str
    subject: str
    expires: float


class TokenVerifier:
    """Verifies tokens of the issuers of one reading of the tenants file, on one thread, and without waiting.

    Good tokens are remembered until they end or any issuer's keys change: verifying one again is a look-up.

    Args:
        issuers: Whose tokens count; no two have the same name.
        key_sets: Their keys, which `KeySets.refresh` has been told to follow.

    Raises:
        ConfigurationError: There are issuers, and PyJWT is not installed.
    """

    def __init__(self, issuers: Iterable[TokenIssuer], key_sets: KeySets) -> None:
        self._issuers = {issuer.issuer: issuer for issuer in issuers}
        self._key_sets = key_sets
        self._edition = key_sets.edition
        self._proven: OrderedDict[str, Proven] = OrderedDict()
        if self._issuers:
            require_jwt()

    def verify(self, token: str, now: float) -> Proven:
        """Tells whom a token speaks of.

        Args:
            token: The token alone, without `Bearer`.
            now: Seconds since 1970.

        Raises:
            Unauthenticated: TOKEN_EXPIRED where it was good and has ended, TOKEN_INVALID otherwise. The message says
                what to change and has nothing of the token.
        """
        if self._edition != self._key_sets.edition:
            self._proven.clear()
            self._edition = self._key_sets.edition
        proven = self._proven.get(token)
        if proven is not None and now < proven.expires:
            return proven
        proven = self._prove(token, now)
        if len(self._proven) >= MOST_PROVEN:
            self._proven.popitem(last=False)
        self._proven[token] = proven
        return proven

    def _prove(self, token: str, now: float) -> Proven:
        """Verifies a token: first what is cheap, so that it costs little to refuse those of no issuer."""
        unproven = read(token)
        if unproven is None:
            raise invalid(
                f"this is no signed JWT of at most {MOST_CHARACTERS >> 10} KiB; send what the issuer gave you"
            )
        name = unproven.claims.get("iss")
        issuer = self._issuers.get(name) if isinstance(name, str) else None
        if issuer is None:
            raise invalid(
                "the token's issuer is not one that this gateway takes; ask for it to be added to its issuers"
            )
        fault = next(faults(unproven, issuer, now), None)
        if fault is not None:
            raise invalid(fault)
        key = self._key_sets.find(issuer.jwks, unproven.header["kid"], unproven.header["alg"])
        if key is None:
            raise invalid("the token's key is not one of its issuer's; try again in some seconds, or get a new token")
        if not is_genuine(unproven, key):
            raise invalid("the token's signature is not that of its issuer; get a new token")
        expires = float(unproven.claims["exp"]) + issuer.leeway_seconds
        if now >= expires:
            raise Unauthenticated("TOKEN_EXPIRED", "the token has ended; get a new token")
        return Proven(issuer.issuer, unproven.claims[issuer.claim], expires)


def is_genuine(unproven: Unproven, key: "PyJWK") -> bool:
    """Says whether a key's owner has signed a token, with the algorithm of that key.

    PyJWT's `decode` would first take the token apart again, in Python and letter by letter, which is most of its time.
    """
    return key.Algorithm.verify(unproven.signed, key.key, unproven.signature)


def invalid(message: str) -> Unauthenticated:
    """Makes the error of a token that proves nothing."""
    return Unauthenticated("TOKEN_INVALID", message)
