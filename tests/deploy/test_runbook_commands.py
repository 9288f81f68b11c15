"""What runbooks tell people to type exists."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.deploy.promtool import ROOT
from tests.e2e.serving import COMMAND

PAGES = [*sorted((ROOT / "docs/runbooks").glob("*.md")), *sorted(ROOT.glob("deploy/[pg]r*/README.md"))]
SECONDS = 60


def typed_commands() -> list[str]:
    """Returns every command of `gapura` that stands in code, such as `usage`."""
    code = [piece for page in PAGES for piece in re.findall(r"`[^`]+`|^    .+$", page.read_text(), re.MULTILINE)]
    return sorted({name for piece in code for name in re.findall(r"\bgapura ([a-z-]+)", piece)})


@pytest.mark.parametrize("name", typed_commands())
def test_a_command_in_a_runbook_exists(name: str) -> None:
    done = subprocess.run([*COMMAND, name, "--help"], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}-{page.stem}")
def test_a_setting_in_a_runbook_exists(page: Path) -> None:
    known = (ROOT / "gateway/settings.py").read_text().upper() + (ROOT / "README.md").read_text()
    assert [name for name in re.findall(r"GAPURA_([A-Z_]+)", page.read_text()) if name not in known] == []
