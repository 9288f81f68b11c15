"""Homes of the launcher that stand in for a real one."""

import json
import shutil
from pathlib import Path

from gapura_triton.installation import BACKEND, Installation, site_packages, stamp_of, wanted_stamp


def linked_home(folder: Path, home: Path) -> Path:
    """Makes a home of its own nodes that runs what is installed in another."""
    folder.mkdir(parents=True)
    for name in ("venv", "backends"):
        (folder / name).symlink_to(home / name)
    return folder


def fake_home(folder: Path, *, numpy: str = "1.26.4") -> Path:
    """Makes a home that looks installed; its tritonserver says `no luck` and ends with status 3."""
    installation = Installation(folder)
    installed = site_packages(installation.venv) / f"numpy-{numpy}.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text(f"Metadata-Version: 2.1\nName: numpy\nVersion: {numpy}\n")
    installation.tritonserver.parent.mkdir(parents=True)
    installation.tritonserver.write_text("#!/bin/sh\necho no luck\nexit 3\n")
    installation.tritonserver.chmod(0o755)
    installation.model_py.parent.mkdir(parents=True)
    shutil.copy(BACKEND, installation.model_py)
    stamp_of(installation.venv).write_text(json.dumps(wanted_stamp()))
    return folder
