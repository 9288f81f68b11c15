"""Tells deliveries that MLflow signed from all others: forged, altered, old, or sent before.

MLflow follows https://www.standardwebhooks.com with headers of its own: HMAC-SHA256 with the shared secret over
`<delivery id>.<timestamp>.<body>`, in base64 after `v1,`.
"""

import base64
import hashlib
import hmac
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

SIGNATURE, TIMESTAMP, DELIVERY = "X-MLflow-Signature", "X-MLflow-Timestamp", "X-MLflow-Delivery-Id"
_SCHEME = "v1,"
_TOLERANCE_SECONDS = 300
_LONGEST_ID = 200
_LONGEST_TIMESTAMP = 12
_REMEMBERED = 10_000  # of five minutes; whoever sends more is refused, since none may be forgotten


@dataclass(slots=True)
class Gate:
    """Accepts every delivery once. Safe to use from several threads.

    Attributes:
        secret: Shared with MLflow.
        clock: Returns the time in seconds since 1970.
    """

    secret: str = field(repr=False)
    clock: Callable[[], float] = time.time
    _seen: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def accepts(self, delivery: str, timestamp: str, signature: str, body: bytes) -> bool:
        """Whether MLflow signed this delivery within the last five minutes, and it was not accepted before.

        Args:
            delivery: Its id.
            timestamp: When it was signed, in seconds since 1970.
            signature: What it claims.
            body: All of it.
        """
        if not 0 < len(delivery) <= _LONGEST_ID or not timestamp.isdecimal() or len(timestamp) > _LONGEST_TIMESTAMP:
            return False
        expected = sign(self.secret, delivery, timestamp, body).encode()
        signed = hmac.compare_digest(expected, signature.encode(errors="replace"))
        return signed and self._admit(delivery, int(timestamp))

    def _admit(self, delivery: str, timestamp: int) -> bool:
        now = self.clock()
        with self._lock:
            if abs(now - timestamp) > _TOLERANCE_SECONDS or delivery in self._seen:
                return False
            if len(self._seen) >= _REMEMBERED:
                self._seen = {each: at for each, at in self._seen.items() if now - at <= _TOLERANCE_SECONDS}
            if len(self._seen) >= _REMEMBERED:
                return False
            self._seen[delivery] = timestamp
            return True


def sign(secret: str, delivery: str, timestamp: str, body: bytes) -> str:
    """Returns the signature of a delivery as MLflow writes it."""
    content = f"{delivery}.{timestamp}.".encode(errors="replace") + body
    return _SCHEME + base64.b64encode(hmac.digest(secret.encode(), content, hashlib.sha256)).decode()
