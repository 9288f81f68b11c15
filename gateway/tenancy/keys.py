"""API keys: `gapura_<id>_<secret>`. The id finds the key, the secret proves it; only a salted hash is kept.

The secret has 256 random bits, so one round of SHA-256 is enough: there is nothing to guess.
"""

import hashlib
import hmac
from dataclasses import dataclass
from secrets import token_bytes, token_hex, token_urlsafe

PREFIX = "gapura"
KEY_PARTS = 3


@dataclass(frozen=True, slots=True)
class HashedKey:
    """What is kept of a key; `salt` and `sha256` are raw bytes."""

    key_id: str
    salt: bytes
    sha256: bytes

    def matches(self, secret: str) -> bool:
        """Compares in a time that tells nothing about the secret."""
        return hmac.compare_digest(hash_secret(secret, self.salt), self.sha256)


def new_key() -> tuple[str, HashedKey]:
    """Makes a key; returns its text, which is shown once, and what is kept of it."""
    key_id, secret, salt = token_hex(4), token_urlsafe(32), token_bytes(16)
    return f"{PREFIX}_{key_id}_{secret}", HashedKey(key_id, salt, hash_secret(secret, salt))


def parse_key(key: str) -> tuple[str, str]:
    """Returns id and secret of a key; text that is no key has the id of nobody, an empty string."""
    parts = key.split("_", KEY_PARTS - 1)
    return (parts[1], parts[2]) if len(parts) == KEY_PARTS and parts[0] == PREFIX else ("", key)


def hash_secret(secret: str, salt: bytes) -> bytes:
    """Returns the salted hash of a secret."""
    return hashlib.sha256(salt + secret.encode("utf-8", "surrogatepass")).digest()
