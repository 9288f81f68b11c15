"""Runs promtool, and reads what it is given."""

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.debian_prometheus import debian_prometheus

ROOT = Path(__file__).parents[2]
HOME = ROOT / "deploy/prometheus"

# Days of evaluations take promtool half a minute, and longer where the machine is busy.
SECONDS = 600


def promtool(*arguments: str, folder: Path = HOME) -> subprocess.CompletedProcess[str]:
    """Runs promtool in a folder; the caller looks at what became of it."""
    command = [debian_prometheus("promtool"), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)


def rules_of(*folders: str) -> Iterator[dict[str, Any]]:
    """Yields the rules of all files of some folders, such as `alerts`."""
    for folder in folders:
        for path in sorted((HOME / folder).glob("*.yml")):
            for group in yaml.safe_load(path.read_text())["groups"]:
                yield from group["rules"]


def check_expressions(expressions: Iterable[str], folder: Path) -> str:
    """Returns what promtool has against PromQL expressions; nothing if they are right."""
    rules = [{"record": f"expression:{number}", "expr": text} for number, text in enumerate(expressions)]
    path = folder / "expressions.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "expressions", "rules": rules}]}))
    done = promtool("check", "rules", str(path))
    return "" if done.returncode == 0 else done.stdout + done.stderr
