"""Globs over models and services, compiled when they are first asked: ten thousand tenants ask for few of theirs."""

import re
from collections.abc import Iterable
from fnmatch import translate

MOST_REMEMBERED = 256
NOTHING = r"(?!)"

# Services that show a tenant only its own, whatever services its policy names.
FOR_ALL = ("grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection")


class Globs:
    """Patterns such as `team3_*`; no patterns match nothing.

    Args:
        patterns: As of `fnmatch`, with the case of letters; `*` takes any character.

    Attributes:
        found: Names that matched, for whoever asks first whether a name is among them: that costs no call.
    """

    __slots__ = ("_matches", "found", "patterns")

    def __init__(self, patterns: Iterable[str]) -> None:
        self.patterns = tuple(patterns)
        self.found = set[str]()
        self._matches: re.Pattern[str] | None = None

    def __contains__(self, name: str) -> bool:
        """Says whether a pattern matches the whole name."""
        if name in self.found:
            return True
        if not self.matches(name):
            return False
        if len(self.found) >= MOST_REMEMBERED:  # callers make names up
            self.found.clear()
        self.found.add(name)
        return True

    def matches(self, name: str) -> bool:
        """Says the same, and remembers nothing."""
        if self._matches is None:
            self._matches = re.compile("|".join(map(translate, self.patterns)) or NOTHING)
        return self._matches.match(name) is not None


class Services(Globs):
    """Globs over services, such as `erpml.finance.*`, and methods, `erpml.finance.v1.CreditService/Score*`."""

    __slots__ = ()

    def matches(self, path: str) -> bool:
        """Says whether a glob matches the method at a path, or its service."""
        method = path.removeprefix("/")
        service = method.partition("/")[0]
        return service in FOR_ALL or super().matches(method) or super().matches(service)


class Names:
    """The globs of all tenants, and their sizes: those that are equal are one object, and globs are compiled once."""

    def __init__(self) -> None:
        self._globs: dict[tuple[str, ...], Globs] = {}
        self._services: dict[tuple[str, ...], Services] = {}
        self._sizes: dict[int, int] = {}

    def globs(self, patterns: tuple[str, ...]) -> Globs:
        """Returns the globs of these patterns."""
        return self._globs.setdefault(patterns, Globs(patterns))

    def services(self, patterns: tuple[str, ...]) -> Services:
        """Returns the services of these patterns."""
        return self._services.setdefault(patterns, Services(patterns))

    def size(self, size: int) -> int:
        """Returns the object for a size."""
        return self._sizes.setdefault(size, size)
