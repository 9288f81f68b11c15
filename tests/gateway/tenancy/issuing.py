"""An issuer of tokens with real keys, for tests."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import AllowedPrivateKeys

from gateway.tenancy.issuers import TokenIssuer
from gateway.tenancy.key_sets import KeySets
from gateway.tenancy.tokens import TokenVerifier
from gateway.watching import fingerprint

ISSUER, AUDIENCE, SUBJECT = "https://id.example/erp", "gapura", "finance-service"
NOW = 1_800_000_000.0  # tests tell the time
ENDS = int(NOW) + 600

CURVES: Mapping[str, ec.EllipticCurve] = {
    "ES256": ec.SECP256R1(),
    "ES384": ec.SECP384R1(),
    "ES512": ec.SECP521R1(),
    "ES256K": ec.SECP256K1(),
}


def key_for(algorithm: str, name: str = "") -> AllowedPrivateKeys:
    """Returns a key for an algorithm: the same for the same name."""
    return make_key(algorithm, name)


@cache
def make_key(algorithm: str, _name: str) -> AllowedPrivateKeys:
    """Makes a key."""
    if algorithm in CURVES:
        return ec.generate_private_key(CURVES[algorithm])
    return ed25519.Ed25519PrivateKey.generate() if algorithm == "EdDSA" else rsa.generate_private_key(65537, 2048)


def entry(algorithm: str, name: str = "", **fields: Any) -> dict[str, Any]:
    """Returns the entry of a set of keys for a key's public part; its `kid` is the algorithm's name."""
    public = key_for(algorithm, name).public_key()
    return {**jwt.get_algorithm_by_name(algorithm).to_jwk(public, as_dict=True), "kid": algorithm, **fields}


def key_set(*entries: Mapping[str, Any]) -> str:
    """Writes a set of keys."""
    return json.dumps({"keys": entries})


def claims(**others: Any) -> dict[str, Any]:
    """Returns good claims, but for some; None leaves one out."""
    good = {"iss": ISSUER, "aud": AUDIENCE, "sub": SUBJECT, "exp": ENDS}
    return {name: value for name, value in (good | others).items() if value is not None}


def token(algorithm: str = "ES256", header: Mapping[str, Any] | None = None, name: str = "", **others: Any) -> str:
    """Signs a token; `header` replaces parts of a good one, and `others` parts of good claims."""
    told = {"kid": algorithm, "alg": algorithm, **(header or {})}
    return sign(told, json.dumps(claims(**others)), algorithm, name)


def sign(header: Mapping[str, Any], payload: str, algorithm: str = "ES256", name: str = "") -> str:
    """Signs any payload, with any header: PyJWT would refuse some."""
    told = {key: value for key, value in header.items() if value is not None}
    signed = f"{encode(json.dumps(told).encode())}.{encode(payload.encode())}"
    signature = jwt.get_algorithm_by_name(algorithm).sign(signed.encode(), key_for(algorithm, name))
    return f"{signed}.{encode(signature)}"


def confused(algorithm: str, secret: bytes) -> str:
    """Makes a token whose signature is keyed with something public."""
    signed = (
        f"{encode(json.dumps({'alg': 'HS256', 'kid': algorithm}).encode())}.{encode(json.dumps(claims()).encode())}"
    )
    return f"{signed}.{encode(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def pem(algorithm: str) -> bytes:
    """Writes a public key."""
    return key_for(algorithm).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def encode(content: bytes) -> str:
    """Writes base64 without padding."""
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def issuer_at(location: Path | str, **fields: Any) -> TokenIssuer:
    """Describes the issuer, as the tenants file does."""
    return TokenIssuer.model_validate({"issuer": ISSUER, "audience": AUDIENCE, "jwks": str(location), **fields})


async def verifier_of(*issuers: TokenIssuer) -> TokenVerifier:
    """Makes a verifier whose keys have been read."""
    key_sets = KeySets(fingerprint)
    await key_sets.refresh(issuers)
    return TokenVerifier(issuers, key_sets)
