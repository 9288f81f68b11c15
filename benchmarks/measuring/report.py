"""Keeps what a suite found as JSON, and writes a page from it; a part that runs again replaces its last run."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.measuring.machine import Machine
from benchmarks.measuring.results import Findings

Kept = dict[str, Any]


def keep(  # noqa: PLR0913, PLR0917 - what a page tells
    folder: Path, suite: str, part: str, findings: Findings, machine: Machine, how: Mapping[str, object]
) -> Kept:
    """Writes what a part of a suite found beside what others did; returns everything.

    Args:
        folder: Of the results.
        suite: Its name, and that of its files.
        part: Its name.
        findings: What it found.
        machine: Where.
        how: Listener, backend and whatever else figures depend on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{suite}.json"
    kept: Kept = json.loads(file.read_text()) if file.exists() else {}
    kept[part] = {
        "machine": str(machine),
        "how": dict(how),
        "noisy": findings.noisy,
        "others_cores": round(findings.others_cores, 2),
        "own_spread": round(max(findings.spreads, default=0.0), 3),
        "bars": [asdict(bar) | {"reached": bar.reached, "text": str(bar)} for bar in findings.bars],
        "problems": findings.problems,
        "tables": [asdict(table) for table in findings.tables],
        "figures": findings.figures,
    }
    file.write_text(json.dumps(without_nan(kept), indent=1) + "\n")
    (folder / f"{suite}.md").write_text(render(suite, kept))
    return kept


def without_nan(value: Any) -> Any:
    """Returns a value as JSON allows it: nothing stands for a figure that could not be had."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {name: without_nan(each) for name, each in value.items()}
    return [without_nan(each) for each in value] if isinstance(value, list | tuple) else value


def render(suite: str, kept: Kept) -> str:
    """Returns everything as text."""
    return f"# {suite.capitalize()}\n\n" + "\n".join(render_part(name, found) for name, found in kept.items())


def render_part(name: str, found: Kept) -> str:
    """Returns one part as text."""
    how = ", ".join(f"{key} {value}" for key, value in found["how"].items())
    lines = [f"## {name}", "", f"{found['machine']}; {how}.", "", noise_of(found), ""]
    lines += [f"- {bar['text']}" for bar in found["bars"]]
    lines += [f"- **{problem}**" for problem in found["problems"]]
    for table in found["tables"]:
        lines += ["", f"### {table['title']}", "", *render_table(table["columns"], table["rows"])]
    return "\n".join(lines) + "\n"


def noise_of(found: Kept) -> str:
    """Says how far the figures can be trusted."""
    told = f"Processes of others used {found['others_cores']:.2f} cores meanwhile"
    if found["own_spread"]:
        told += f"; from one round to the next a contestant mostly differed from itself by {found['own_spread']:.0%}"
    return f"{told}: **too noisy for these figures to be trusted**." if found["noisy"] else f"{told}."


def render_table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> list[str]:
    """Returns a table whose columns line up."""
    cells = [list(map(str, row)) for row in (columns, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    written = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in cells]
    return [written[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *written[1:]]


def announce(suite: str, findings: Findings) -> str:
    """Returns what a terminal shows of a suite."""
    lines = [f"== {suite}"]
    for table in findings.tables:
        lines += [table.title, *render_table(table.columns, table.rows)]
    return "\n".join([*lines, *map(str, findings.bars), *(f"WRONG  {problem}" for problem in findings.problems)])
