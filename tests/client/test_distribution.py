"""The client's wheel holds what is ours only, and imports cleanly with the oldest and the newest libraries."""

import subprocess
import sys
import venv
from collections.abc import Iterable
from pathlib import Path
from zipfile import ZipFile

import pytest

PROTOS = Path(__file__).parents[2] / "protos"
IMPORTS = """
import gapura_client.aio, gapura_features.packed, importlib.resources
from erpml.catalog.v1 import catalog_pb2
from erpml.finance.v1 import credit_service_pb2_grpc
from erpml.types.v1 import error_reason_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet
FileDescriptorSet.FromString((importlib.resources.files("erpml") / "contracts.binpb").read_bytes())
gapura_client.connect("localhost:1", api_key="key-1").close()
"""
FLOOR = ["protobuf==6.33.5", "grpcio==1.81.1", "googleapis-common-protos==1.70.0"]


def pip(*arguments: str) -> None:
    """Runs pip."""
    command = [sys.executable, "-m", "pip", *arguments, "--quiet", "--disable-pip-version-check"]
    subprocess.run(command, check=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as users get it."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(PROTOS))
    return next(folder.glob("gapura_client-*.whl"))


def install(folder: Path, requirements: Iterable[str]) -> Path:
    """Makes an environment with the requirements alone; returns its Python."""
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    pip("--python", str(python), "install", *requirements)
    return python


def test_wheel_holds_the_contracts_the_client_and_the_layout_of_features_only(wheel: Path) -> None:
    names = ZipFile(wheel).namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"erpml", "gapura_client", "gapura_features"}
    assert {"erpml/contracts.binpb", "erpml/py.typed", "gapura_client/py.typed", "gapura_client/aio.py"} < set(names)
    assert {"erpml/finance/v1/credit_service_pb2_grpc.py", "erpml/finance/v1/credit_service_pb2.pyi"} < set(names)
    assert any(name.endswith("/licenses/LICENSE") for name in names)


@pytest.mark.parametrize("libraries", [FLOOR, ["protobuf>=7"]], ids=["oldest", "newest"])
def test_fresh_install_imports_without_a_warning(wheel: Path, tmp_path: Path, libraries: list[str]) -> None:
    """The wheel brings all it needs, and its stubs run on later protobuf releases."""
    python = install(tmp_path, [str(wheel), *libraries])
    finished = subprocess.run([python, "-I", "-W", "error", "-c", IMPORTS], capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stderr) == (0, "")
