"""What the edge says of a caller's certificate: the header `x-forwarded-client-cert`, as Envoy writes it.

https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#x-forwarded-client-cert

Anyone who reaches the gateway past the edge can write that header: it counts only where the gateway is told so.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

COMMON_NAME = "CN="
KNOWN_CALLERS = 4096
SEPARATOR, ELEMENT = ";", ","

# Text up to a separator that does not stand in quotes.
_TOKEN = re.compile(r'(?:[^;,"\\]|\\.|"(?:[^"\\]|\\.)*")+|[;,]', re.DOTALL)
_PART = re.compile(r"(?:[^,\\]|\\.)+", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_QUOTED, _SEPARATING = re.compile(r'[\\"]'), re.compile(r"[\\,+]")


@lru_cache(KNOWN_CALLERS)
def names_of(header: str) -> tuple[str, ...]:
    """Returns the names of a certificate: URIs first, then DNS names, then `CN=` and the subject's common name.

    None where the header has the certificates of several hops, or is not well formed: the edge writes one.
    """
    tokens = _TOKEN.findall(header)
    if "".join(tokens) != header or ELEMENT in tokens:
        return ()
    fields = [token.partition("=") for token in tokens if token != SEPARATOR]
    uris, names = ([unquote(value) for key, _, value in fields if key == kind] for kind in ("URI", "DNS"))
    subjects = [name for key, _, value in fields if key == "Subject" for name in common_names(unquote(value))]
    return tuple(name for name in (*uris, *names, *(subjects if len(subjects) == 1 else ())) if name)


def header_of(uris: Iterable[str], dns: Iterable[str], common_name: str) -> str:
    """Writes names down so that `names_of` returns them as they are; those that are empty are left out."""
    fields = [("Subject", COMMON_NAME + _SEPARATING.sub(r"\\\g<0>", common_name))] if common_name else []
    fields += [("URI", name) for name in uris if name]
    fields += [("DNS", name) for name in dns if name]
    return SEPARATOR.join(f"{key}={quote(value)}" for key, value in fields)


def common_names(subject: str) -> Iterator[str]:
    """Yields the common names of a subject (RFC 4514), as `CN=finance`."""
    for part in _PART.findall(subject):
        if part.startswith(COMMON_NAME):
            yield COMMON_NAME + _ESCAPED.sub(r"\1", part.removeprefix(COMMON_NAME))


def unquote(value: str) -> str:
    """Returns a value without its quotes."""
    return _ESCAPED.sub(r"\1", value[1:-1]) if value.startswith('"') else value


def quote(value: str) -> str:
    """Returns a value in quotes."""
    return '"' + _QUOTED.sub(r"\\\g<0>", value) + '"'
