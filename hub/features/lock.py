"""Keeps two runs from making the same view's data at the same time."""

import json
import os
import secrets
import socket
import threading
import time
from typing import Any, Self

from gapura_features import lock_key

from hub.errors import HubError
from hub.features.connection import StoreAwayError, translated

_LASTS_MS = 10_000
_RENEWED_SECONDS = 2.5

_RENEW = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0"
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class Lock:
    """A key that lasts ten seconds and is renewed by a thread; one that a killed process of this host left is taken.

    Args:
        client: Of redis-py.
        view: Name of the view.
    """

    def __init__(self, client: Any, view: str) -> None:
        self._client = client
        self._view = view
        self._key = lock_key(view)
        me = {"host": socket.gethostname(), "pid": os.getpid(), "token": secrets.token_hex(8)}
        self._value = json.dumps(me)
        self._held_until = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew_on, daemon=True)

    def __enter__(self) -> Self:
        with translated(f"locking {self._view}"):
            begun = time.monotonic()
            if not self._take():
                self._release_of_dead()
                begun = time.monotonic()
                if not self._take():
                    raise HubError(
                        f"{self._view} is being materialised by {self._holder()}: wait until that is through"
                    )
        self._held_until = begun + _LASTS_MS / 1000
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        try:
            with translated(f"unlocking {self._view}"):
                self._client.eval(_RELEASE, 1, self._key, self._value)
        except StoreAwayError:
            return  # it ends by itself

    def require(self) -> None:
        """Makes sure that the lock is still held.

        Raises:
            HubError: It was not renewed in time: this process stood still, or Redis did not answer.
        """
        if time.monotonic() >= self._held_until:
            raise HubError(f"the lock of {self._view} was lost: run it again, and it goes on where it stopped")

    def _take(self) -> bool:
        return bool(self._client.set(self._key, self._value, nx=True, px=_LASTS_MS))

    def _release_of_dead(self) -> None:
        """Releases the lock of a process of this host that is no more."""
        value = self._client.get(self._key)
        holder = _read(value)
        if value and holder.get("host") == socket.gethostname() and not _lives(holder.get("pid")):
            self._client.eval(_RELEASE, 1, self._key, value)

    def _holder(self) -> str:
        holder = _read(self._client.get(self._key))
        return f"process {holder.get('pid', '?')} of {holder.get('host', 'another host')}"

    def _renew_on(self) -> None:
        while not self._ended.wait(_RENEWED_SECONDS):
            begun = time.monotonic()
            try:
                with translated(f"renewing the lock of {self._view}"):
                    if not self._client.eval(_RENEW, 1, self._key, self._value, _LASTS_MS):
                        self._held_until = 0.0
                        return
            except HubError:
                continue
            self._held_until = begun + _LASTS_MS / 1000


def _read(value: bytes | None) -> dict[str, Any]:
    try:
        found = json.loads(value or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _lives(pid: object) -> bool:
    try:
        os.kill(int(str(pid)), 0)
    except ProcessLookupError:
        return False
    except (PermissionError, ValueError, OverflowError):
        return True
    return True
