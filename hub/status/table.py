"""Shows what is live: a table on a terminal, tab-separated lines elsewhere, JSON on demand."""

import json
from dataclasses import asdict

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hub.registry.aliases import CHALLENGER, SHADOW, kind_of, served
from hub.registry.records import CHAMPION
from hub.status.survey import ModelStatus, Survey

_KINDS = (CHAMPION, CHALLENGER, SHADOW)
_COLUMNS = ("model", *_KINDS, "previous", "nodes", "parity", "live since", "by")


def show(found: Survey, console: Console) -> None:
    """Prints a survey."""
    if console.is_terminal:
        table = Table(*_COLUMNS, caption=f"catalog generation {found.generation}", caption_justify="left")
        for model in found.models:
            table.add_row(*map(Text, _cells(model)))
        console.print(table)
    else:
        for cells in [_COLUMNS, *map(_cells, found.models)]:
            console.file.write("\t".join(cells) + "\n")  # `print` makes spaces of tabs
    for model in found.models:
        for note in model.notes:
            console.print(f"{model.name}: {note}", soft_wrap=True, markup=False, highlight=False)
    for fault in found.faults:
        console.print(fault, soft_wrap=True, markup=False, highlight=False)


def to_json(found: Survey) -> str:
    """Returns a survey as a JSON object."""
    return json.dumps(asdict(found), indent=2)


def _cells(model: ModelStatus) -> tuple[str, ...]:
    up = sum(model.nodes.values())
    return (
        model.name,
        *(_versions(model, kind) for kind in _KINDS),
        str(model.previous or ""),
        f"{up} of {len(model.nodes)}" if model.nodes else "gateways" if model.live else "",
        model.parity,
        model.since[:19].replace("T", " "),
        model.by,
    )


def _versions(model: ModelStatus, kind: str) -> str:
    """The versions of all arms of a kind; those with a name of their own bear it."""
    aliases = [alias for alias in served({*model.live, *model.wanted}) if kind_of(alias) == kind]
    named = ((alias.partition("-")[2], _version(model, alias)) for alias in aliases)
    return ", ".join(f"{name}: {version}" if name else version for name, version in named)


def _version(model: ModelStatus, alias: str) -> str:
    """The version that answers, and the one that should where that is another."""
    live, wanted = model.live.get(alias), model.wanted.get(alias)
    if live == wanted:
        return str(live or "")
    return f"{live or 'none'} (wanted: {wanted or 'none'})"
