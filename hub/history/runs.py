"""The runs in MLflow that keep the history: a run holds an entry as text, its digest, and links to what comes next."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import mlflow
from mlflow.entities import Run, RunStatus

from hub.history.change import ALIAS, MOVES, Change
from hub.history.entry import Entry, digest_of, parse_entry
from hub.history.links import NEXT, claim, find_run, first_link, key_of, links_of
from hub.history.root import Root

_BODY, _DIGEST, _HEAD, _KEY, _SEQUENCE = (f"gapura.{word}" for word in ("change", "digest", "head", "key", "sequence"))
_FINISHED = RunStatus.to_string(RunStatus.FINISHED)
_MILLISECONDS = 1000
_PAGE = 1000
_NEWEST_FIRST = [f"tags.`{_SEQUENCE}` DESC"]


@dataclass(frozen=True, slots=True)
class Kept:
    """An entry as a run keeps it.

    Attributes:
        run_id: The run.
        sequence: Number of the entry, as its tag says it.
        body: Text of the entry.
        digest: What was written as its SHA-256.
        following: Runs that were linked to it, the oldest first.
        entry: What the text says; None where somebody edited it so that it says nothing.
    """

    run_id: str
    sequence: int
    body: str
    digest: str
    following: tuple[str, ...]
    entry: Entry | None


@dataclass(frozen=True, slots=True)
class Tail:
    """Where the next entry of a model goes.

    Attributes:
        run_id: The last run, or the root.
        link: Full name of the link that is free there.
        last: The last entry, if any.
        lost: How many runs were linked there and are gone; their numbers are not given again.
    """

    run_id: str
    link: str
    last: Kept | None
    lost: int

    def follow(self, change: Change) -> Entry | None:
        """Returns the entry that comes next, or None where an alias is moved to where it points already."""
        aliases = dict(self.last.entry.aliases) if self.last and self.last.entry else {}
        if change.kind == ALIAS and aliases.get(change.alias or "") == change.version:
            return None
        if change.kind in MOVES and change.alias:
            aliases.pop(change.alias, None)
            aliases |= {change.alias: change.version} if change.version else {}
        sequence = (self.last.sequence if self.last else 0) + 1 + self.lost
        return Entry(sequence, digest_of(self.last.body) if self.last else "", change, aliases)


def find_tail(client: mlflow.MlflowClient, root: Root, name: str) -> Tail:
    """Returns where the next entry of a model goes; finishes what a killed hub has linked."""
    condition = f"tags.`{_KEY}` = '{key_of(name)}' AND attributes.status = '{_FINISHED}'"
    found = client.search_runs([root.experiment_id], condition, max_results=1, order_by=_NEWEST_FIRST)
    run, link = (found[0], NEXT) if found else (client.get_run(root.run_id), first_link(name))
    while following := links_of(run, link):
        next_run = find_run(client, following[-1])
        if next_run is None:
            break
        run, link = next_run, NEXT
    last = None if run.info.run_id == root.run_id else _keep(run)
    return Tail(run.info.run_id, f"{link}.{len(following)}", last, len(following))


def write(client: mlflow.MlflowClient, root: Root, tail: Tail, entry: Entry) -> bool:
    """Adds an entry at the tail; returns False where another hub was quicker."""
    change, body = entry.change, entry.to_body()
    tags = {
        "model": change.name,
        _BODY: body,
        _DIGEST: digest_of(body),
        _HEAD: "true",
        _KEY: key_of(change.name),
        _SEQUENCE: f"{entry.sequence:08}",
    }
    title, moment = f"{change.name} {entry.sequence}: {change.kind}", _milliseconds(change.at)
    run_id = client.create_run(root.experiment_id, moment, tags, title).info.run_id
    if not claim(client, tail.run_id, tail.link, run_id):
        client.delete_run(run_id)
        return False
    client.set_terminated(run_id, end_time=moment)
    if tail.last:
        client.set_tag(tail.last.run_id, _HEAD, "false")
    return True


def read_model(client: mlflow.MlflowClient, root: Root, name: str) -> list[Kept]:
    """Returns what is kept of a model. A run that is not finished counts where it was linked: its hub was killed."""
    runs = list(_search(client, root, f"tags.`{_KEY}` = '{key_of(name)}'"))
    linked = {run_id for run in runs for run_id in links_of(run)}
    return [_keep(run) for run in runs if run.info.status == _FINISHED or run.info.run_id in linked]


def read_heads(client: mlflow.MlflowClient, root: Root) -> list[Entry]:
    """Returns the last entry of every model; two of a model whose hub was killed in between."""
    condition = f"tags.`{_HEAD}` = 'true' AND attributes.status = '{_FINISHED}'"
    found = [_keep(run).entry for run in _search(client, root, condition)]
    return [entry for entry in found if entry]


def _search(client: mlflow.MlflowClient, root: Root, condition: str) -> Iterator[Run]:
    token: str | None = None
    while True:
        page: Any = client.search_runs([root.experiment_id], condition, max_results=_PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _keep(run: Run) -> Kept:
    tags = run.data.tags
    body, number = tags.get(_BODY, ""), tags.get(_SEQUENCE, "")
    try:
        entry = parse_entry(body)
    except ValueError:
        entry = None
    sequence = entry.sequence if entry else int(number) if number.isdecimal() else 0
    return Kept(run.info.run_id, sequence, body, tags.get(_DIGEST, ""), tuple(links_of(run)), entry)


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * _MILLISECONDS)
