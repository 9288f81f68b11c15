"""Aliases that are served: the champion, challengers and shadows, in this order."""

import re
from collections.abc import Iterable

from hub.errors import HubError
from hub.registry.records import CHAMPION

CHALLENGER, SHADOW = "challenger", "shadow"

_KINDS = (CHAMPION, CHALLENGER, SHADOW)
_ALIAS = re.compile(r"champion|(?:challenger|shadow)(?:-[a-z0-9][a-z0-9_-]{0,30})?")


def kind_of(alias: str) -> str:
    """Returns what a served alias is for: `champion`, `challenger` or `shadow`."""
    return alias.partition("-")[0]


def is_served(alias: str) -> bool:
    """Whether an alias is one that is served."""
    return _ALIAS.fullmatch(alias) is not None


def served(aliases: Iterable[str]) -> list[str]:
    """Returns those that are served: the champion, challengers by name, shadows by name."""
    return sorted(filter(is_served, aliases), key=lambda alias: (_KINDS.index(kind_of(alias)), alias))


def require_alias(alias: str) -> None:
    """Makes sure that an alias is served.

    Raises:
        HubError: It is not.
    """
    if not is_served(alias):
        raise HubError(
            f"{alias!r} is no alias that is served: write champion, challenger, shadow, challenger-NAME or "
            "shadow-NAME, with a NAME of up to 31 of a-z, 0-9, '_' and '-'"
        )
