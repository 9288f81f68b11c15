"""The installation is made once, whole or not at all, and refuses what would give wrong answers."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from gapura_triton.errors import LauncherError
from gapura_triton.installation import BACKEND, Installation, stamp_of
from gapura_triton.installing import install

from tests.triton.homes import fake_home
from tests.triton.nodes import wait_until

INSTALL = (sys.executable, "-m", "gateway", "triton", "install")


def test_second_install_does_nothing(triton_home: Path) -> None:
    stamp = stamp_of(Installation(triton_home).venv)
    before, said = stamp.stat().st_mtime_ns, list[str]()

    install(Installation(triton_home), said.append)

    assert said == [f"nothing to do ({triton_home})"]
    assert stamp.stat().st_mtime_ns == before


def test_numpy_2_is_refused(tmp_path: Path) -> None:
    home = fake_home(tmp_path, numpy="2.2.6")
    with pytest.raises(LauncherError, match=r"has numpy 2\.2\.6, .*: run `gapura triton install`"):
        Installation(home).check()


def test_nothing_installed_is_told(tmp_path: Path) -> None:
    with pytest.raises(LauncherError, match="tritonserver is not installed in .*: run `gapura triton install`"):
        Installation(tmp_path).check()


def test_other_packages_are_refused(tmp_path: Path) -> None:
    installation = Installation(fake_home(tmp_path))
    stamp_of(installation.venv).write_text('{"packages": ["numpy==1.26.3"]}')
    with pytest.raises(LauncherError, match="holds another version: run `gapura triton install`"):
        installation.check()


def test_changed_backend_is_replaced_without_pip(tmp_path: Path) -> None:
    installation = Installation(fake_home(tmp_path))
    installation.model_py.write_text("another version's")
    with pytest.raises(LauncherError, match="model.py is another version's: run `gapura triton install`"):
        installation.check()
    said = list[str]()

    install(installation, said.append)

    assert installation.model_py.read_bytes() == BACKEND.read_bytes()
    assert len(said) == 1
    assert said[0].startswith("installed the onnxruntime backend in ")


def test_killed_install_is_healed_by_the_next_two_at_once(tmp_path: Path) -> None:
    installation = Installation(tmp_path / "triton")
    environment = os.environ | {"GAPURA_VAR": str(tmp_path)}
    killed = subprocess.Popen(INSTALL, env=environment, stdout=subprocess.DEVNULL, process_group=0)
    wait_until((tmp_path / "triton/venv.new/bin/python").exists, 30)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    with pytest.raises(LauncherError, match="is not installed"):
        installation.check()

    both = [subprocess.Popen(INSTALL, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = sorted(process.communicate(timeout=150)[0].splitlines()[-1] for process in both)

    assert said[0].startswith("installed tritonserver and the onnxruntime backend in ")
    assert said[1].startswith("nothing to do ")
    installation.check()


def test_failure_is_told_with_the_last_lines_of_its_log(tmp_path: Path) -> None:
    (tmp_path / "venv.new").touch()  # where a folder has to be
    with pytest.raises(
        LauncherError, match=r"installing failed with status 1:\n    Error: Unable to create dir"
    ) as raised:
        install(Installation(tmp_path), print)
    assert str(raised.value).endswith(f"({tmp_path / 'install.log'})")
