"""Who may see the page: whoever is on this machine, or knows the token."""

import hmac
from base64 import b64decode
from http import HTTPStatus

from gateway.addresses import is_loopback
from gateway.errors import ConfigurationError
from gateway.operations.http import Answer, Request, tell

REALM = 'Basic realm="Gapura operations", charset="UTF-8"'
LEAST_TOKEN = 16


class Access:
    """Lets requests in.

    Args:
        host: Address at which the page listens.
        token: What callers have to know; None if they need nothing.

    Raises:
        ConfigurationError: Others could reach the page, and there is no token, or one that can be guessed.
    """

    def __init__(self, host: str, token: str | None) -> None:
        if not token and not is_loopback(host):
            raise ConfigurationError(
                f"GAPURA_OPERATIONS_LISTEN: {host} can be reached from elsewhere: set GAPURA_OPERATIONS_TOKEN too"
            )
        if token and len(token) < LEAST_TOKEN:
            raise ConfigurationError(f"GAPURA_OPERATIONS_TOKEN: it needs {LEAST_TOKEN} characters or more")
        self._token = token.encode() if token else None

    def refuse(self, request: Request) -> Answer | None:
        """Returns the refusal of a request; None if it is let in.

        A page of another site whose name was made to lead here gets nothing, since it does not know the token, or else
        has another name than this machine.
        """
        if self._token is None:
            if names_this_machine(request.headers.get("host", "")):
                return None
            return tell(HTTPStatus.FORBIDDEN, "without a token the page is at 127.0.0.1 or localhost alone")
        if hmac.compare_digest(shown(request.headers.get("authorization", "")), self._token):
            return None
        refusal = tell(HTTPStatus.UNAUTHORIZED, "the token is missing or wrong")
        return Answer(refusal.status, refusal.content, refusal.kind, {"WWW-Authenticate": REALM})


def names_this_machine(host: str) -> bool:
    """Says whether a `Host` header names the loopback of this machine."""
    name = host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]
    return is_loopback(name.strip("[]").lower())


def shown(authorization: str) -> bytes:
    """Returns the token that a header shows: as bearer, or as the password of whatever user."""
    kind, _, told = authorization.partition(" ")
    if kind.lower() == "bearer":
        return told.strip().encode()
    if kind.lower() != "basic":
        return b""
    try:
        return b64decode(told, validate=True).partition(b":")[2]
    except ValueError:
        return b""
