"""The rule for names: a registered model is `<team>_<model>`, and people may write it `<team>/<model>`."""

import re
from collections.abc import Mapping

from hub.errors import HubError

_TEAM = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def compose_name(team: str, model: str) -> str:
    """Returns the registered name.

    Raises:
        HubError: The team or the model cannot be part of one.
    """
    if not _TEAM.fullmatch(team):
        raise HubError(f"{team!r} is no team: write letters, digits, '-' and '.', such as team3")
    if not _MODEL.fullmatch(model):
        raise HubError(f"{model!r} is no model: write letters, digits, '_', '-' and '.', such as credit_scoring")
    return f"{team}_{model}"


def split_name(name: str) -> tuple[str, str]:
    """Returns the team and the model of `team3/credit_scoring` or `team3_credit_scoring`.

    Raises:
        HubError: It is neither.
    """
    team, separator, model = name.partition("/" if "/" in name else "_")
    if not separator:
        raise HubError(f"{name!r} is no model: write TEAM/MODEL, such as team3/credit_scoring")
    return team, model


def registered_name(name: str) -> str:
    """Returns the registered name of `team3/credit_scoring` or `team3_credit_scoring`.

    Raises:
        HubError: It is neither.
    """
    return compose_name(*split_name(name))


def team_of(name: str, tags: Mapping[str, str]) -> str:
    """Returns the owner of a registered model: its tag `team`, or else the name before the first `_`."""
    return tags.get("team") or name.partition("_")[0]
