"""The history of every model: what changed, when, by whom and why. It is kept in MLflow, so that every hub sees it.

One finished run per change, in an experiment of their own. Nothing of it is ever written again.
"""

from datetime import UTC, datetime

import mlflow

from hub.errors import HubError
from hub.history.change import Change
from hub.history.entry import Entry
from hub.history.links import first_link, links_of
from hub.history.root import Root, find_root, make_root
from hub.history.runs import Kept, find_tail, read_heads, read_model, write
from hub.history.state import State, fold
from hub.history.verification import find_faults
from hub.translation import translated

_ATTEMPTS = 100  # each is lost to another hub that got through


class History:
    """All changes of all models; changes are added and never altered."""

    def __init__(self, client: mlflow.MlflowClient) -> None:
        self._client = client
        self._found: Root | None = None

    def append(self, change: Change) -> None:
        """Adds a change; a move of an alias to where it points already is none.

        Raises:
            HubError: MLflow refused or did not answer.
        """
        with translated():
            root = self._root() or make_root(self._client)
            for _ in range(_ATTEMPTS):
                tail = find_tail(self._client, root, change.name)
                entry = tail.follow(change)
                if entry is None or write(self._client, root, tail, entry):
                    return
        raise HubError(f"the history of {change.name} could not be continued: too many hubs write it; try again")

    def of(self, name: str, *, since: datetime | None = None, until: datetime | None = None) -> list[Change]:
        """Returns the changes of a model from `since` up to and including `until`, the oldest first.

        An entry that somebody edited so that it says nothing is left out; `verify` names it.

        Raises:
            HubError: MLflow refused or did not answer.
        """
        entries = sorted((kept.entry for kept in self._kept(name) if kept.entry), key=_order)
        return [
            entry.change
            for entry in entries
            if (since is None or entry.change.at >= since) and (until is None or entry.change.at <= until)
        ]

    def at(self, name: str, moment: datetime) -> State:
        """Returns what was live of a model at a moment, which has a zone.

        Raises:
            HubError: No change of such a model was ever recorded, or MLflow refused or did not answer.
        """
        changes = self.of(name)
        if not changes:
            raise HubError(f"no change of {name} was ever recorded: check the name")
        return fold(name, moment.astimezone(UTC), changes)

    def last_aliases(self) -> dict[str, dict[str, int]]:
        """Returns what every alias of every model points at according to its history; one call per 1,000 models.

        Raises:
            HubError: MLflow refused or did not answer.
        """
        root = self._root()
        with translated():
            heads = sorted(read_heads(self._client, root), key=lambda entry: entry.sequence) if root else []
        return {entry.change.name: dict(entry.aliases) for entry in heads}

    def verify(self, name: str) -> list[str]:
        """Returns what is wrong with the history of a model, a line each; nothing where it is whole.

        Raises:
            HubError: MLflow refused or did not answer.
        """
        root = self._root()
        if root is None:
            return []
        with translated():
            first = links_of(self._client.get_run(root.run_id), first_link(name))
        return find_faults(self._kept(name), first)

    def _kept(self, name: str) -> list[Kept]:
        root = self._root()
        with translated():
            return read_model(self._client, root, name) if root else []

    def _root(self) -> Root | None:
        if self._found is None:
            with translated():
                self._found = find_root(self._client)
        return self._found


def _order(entry: Entry) -> tuple[datetime, int]:
    return entry.change.at, entry.sequence
