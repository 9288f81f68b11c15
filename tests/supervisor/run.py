"""Runs a deployment of small servers: `python -m tests.supervisor.run FOLDER SPECIFICATION`."""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from gapura_supervisor.deployment import supervise
from gapura_supervisor.edge import Edge, NoEdge
from gapura_supervisor.errors import SupervisionError
from gapura_supervisor.part import Part, Patience
from gapura_supervisor.probes import HttpOk
from gapura_supervisor.state import Place, State

SERVER = Path(__file__).with_name("server.py")


def make_part(folder: Path, wanted: dict[str, Any]) -> Part:
    """Returns a part that runs a small server."""
    behaviours = folder / f"{wanted['name']}.behaviours"
    command = (sys.executable, str(SERVER), wanted["name"], str(wanted["port"]), str(folder / "journal"))
    part = Part(
        name=wanted["name"],
        command=(*command, *wanted.get("behaviours", ())),
        log=folder / f"{wanted['name']}.log",
        probe=HttpOk(wanted["port"], "/"),
        address=f"127.0.0.1:{wanted['port']}",
        stage=wanted.get("stage", 0),
        needs=Path(wanted["needs"]) if "needs" in wanted else None,
        patience=Patience(wanted.get("start_seconds", 10.0), wanted.get("live_seconds", 10.0)),
        grace_seconds=wanted.get("grace_seconds", 5.0),
    )
    if "next_ports" not in wanted:
        return part

    def renew(_serial: int) -> Part:
        following = wanted | {"port": wanted["next_ports"][0], "next_ports": wanted["next_ports"][1:]}
        given = {"behaviours": behaviours.read_text().split()} if behaviours.exists() else {}
        return make_part(folder, following | given)

    return replace(part, renew=renew)


def compose(folder: Path, specification: list[dict[str, Any]], _sockets: Path) -> tuple[Sequence[Part], Edge]:
    """Returns the parts."""
    return [make_part(folder, wanted) for wanted in specification], NoEdge()


def tell(state: State) -> None:
    """Says that all is ready."""
    sys.stdout.write(f"ready {' '.join(part.name for part in state.parts)}\n")
    sys.stdout.flush()


def say(line: str) -> None:
    """Says a line."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    here = Path(sys.argv[1])
    try:
        sys.exit(supervise(Place(here / "run"), partial(compose, here, json.loads(sys.argv[2])), say, tell))
    except SupervisionError as error:
        sys.exit(f"refused: {error}")
