"""What `make` installs with: uv is told what pip is configured to, and pip does what uv cannot."""

import os
import runpy
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

SCRIPT = ROOT / "deploy/install.py"
INFO = "tinyparcel-1.0.dist-info"


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


def options(script: dict[str, Any], *lines: str) -> list[str]:
    """Returns uv's options for lines of `pip config list`, but for the one that is always there."""
    found: list[str] = script["translate"](script["read_configuration"]("\n".join(lines)))
    assert "--index-strategy=unsafe-best-match" in found
    return [option for option in found if not option.startswith("--index-strategy")]


def test_every_place_that_pip_is_told_is_told_to_uv(script: dict[str, Any]) -> None:
    several = "global.extra-index-url='\\nhttps://a/simple\\nhttps://b/simple'"
    assert options(script, "global.index-url='https://c/simple'", several, "global.cert='/c.pem'") == [
        "--index-url=https://c/simple",
        "--extra-index-url=https://a/simple",
        "--extra-index-url=https://b/simple",
    ]


def test_a_variable_counts_more_than_a_section_and_that_more_than_all_commands(script: dict[str, Any]) -> None:
    lines = ["global.index-url='https://global'", "install.index-url='https://install'"]
    assert options(script, *lines) == ["--index-url=https://install"]
    assert options(script, ":env:.index-url='https://variable'", *lines) == ["--index-url=https://variable"]
    assert options(script, "download.index-url='https://download'") == []


@pytest.mark.parametrize(("value", "expected"), [("1", ["--no-index"]), ("true", ["--no-index"]), ("0", [])])
def test_where_pip_asks_no_index_uv_asks_none(script: dict[str, Any], value: str, expected: list[str]) -> None:
    assert options(script, f":env:.no-index='{value}'") == expected


def test_what_uv_cannot_do_pip_does_from_the_same_place(tmp_path: Path) -> None:
    """An option that only pip knows is refused by uv."""
    place, target = tmp_path / "wheels", tmp_path / "installed"
    place.mkdir()
    with zipfile.ZipFile(place / "tinyparcel-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tinyparcel.py", "")
        wheel.writestr(f"{INFO}/METADATA", "Metadata-Version: 2.1\nName: tinyparcel\nVersion: 1.0\n")
        wheel.writestr(f"{INFO}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{INFO}/RECORD", "")
    environment = os.environ | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(place)}
    command = [sys.executable, str(SCRIPT), "--target", str(target), "tinyparcel"]
    for more in ([], ["--upgrade", "--no-warn-script-location"]):
        subprocess.run([*command, *more], env=environment, check=True)
        assert (target / "tinyparcel.py").exists()
