"""What was live of a model at a moment, from its changes. No I/O."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from hub.history.change import CHAMPION, LIVE, MOVES, WEIGHT, WITHDRAWN, Change


@dataclass(frozen=True, slots=True)
class State:
    """A model at a moment.

    Attributes:
        name: Registered name.
        moment: The moment, in UTC.
        version: Version that answered its calls; None where nothing was live.
        live: Versions that were live, by alias.
        aliases: What every alias pointed at, whether or not that was live yet.
        weights: Weight in percent by alias, where one was set.
        since: When `version` went live.
        by: Who made it champion.
        reason: Why.
    """

    name: str
    moment: datetime
    version: int | None
    live: Mapping[str, int]
    aliases: Mapping[str, int]
    weights: Mapping[str, str]
    since: datetime | None
    by: str
    reason: str


def fold(name: str, moment: datetime, changes: Iterable[Change]) -> State:
    """Returns the state after all changes up to and including a moment.

    Args:
        name: Registered name.
        moment: In UTC.
        changes: All changes of the model, the oldest first.
    """
    moves: dict[str, Change] = {}
    live: dict[str, tuple[Change, Change]] = {}
    weights: dict[str, str] = {}
    for change in changes:
        if change.at > moment:
            break
        alias = change.alias or CHAMPION
        if change.kind in MOVES:
            moves[alias] = change
        elif change.kind == WEIGHT:
            weights[alias] = change.details.get("weight", "")
        elif change.kind == WITHDRAWN:
            live = {other: pair for other, pair in live.items() if change.alias not in {None, other}}
        elif change.kind == LIVE and not (alias in live and live[alias][0].version == change.version):
            live[alias] = (change, _cause(change, moves.get(alias)))
    arrival, cause = live.get(CHAMPION, (None, None))
    return State(
        name=name,
        moment=moment,
        version=arrival.version if arrival else None,
        live=_versions(arrival for arrival, _ in live.values()),
        aliases=_versions(moves.values()),
        weights={alias: weight for alias, weight in weights.items() if weight},
        since=arrival.at if arrival else None,
        by=cause.by if cause else "",
        reason=cause.reason if cause else "",
    )


def _cause(arrival: Change, move: Change | None) -> Change:
    """Returns the move of the alias that made a version go live, where it is known: who publishes does not decide."""
    return move if move and move.version == arrival.version else arrival


def _versions(changes: Iterable[Change]) -> dict[str, int]:
    return {change.alias or CHAMPION: change.version for change in changes if change.version}
