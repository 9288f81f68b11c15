"""The installation: a virtual environment that holds `tritonserver`, and the backends beside it."""

import ctypes
import importlib.metadata
import json
import platform
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from gapura_triton.errors import LauncherError

# Everything that is installed. With numpy 2 Triton's python backend hands over wrong tensors, silently.
PACKAGES = ("numpy==1.26.4", "onnxruntime==1.31.1", "nvidia-pytriton==0.7.0")
PYTHONS = ((3, 11), (3, 12))  # those that numpy 1 has wheels for
GLIBC = (2, 35)
BACKEND = Path(__file__).parent / "backends/onnxruntime/model.py"


@dataclass(frozen=True, slots=True)
class Installation:
    """Where things are, and whether they are what this version of the launcher needs.

    Attributes:
        home: Folder of the launcher, absolute.
    """

    home: Path

    @property
    def venv(self) -> Path:
        """The virtual environment, which is replaced as a whole."""
        return self.home / "venv"

    @property
    def tritonserver(self) -> Path:
        """The binary."""
        return site_packages(self.venv) / "pytriton/tritonserver/bin/tritonserver"

    @property
    def backends(self) -> Path:
        """What `--backend-directory` names."""
        return self.home / "backends"

    @property
    def model_py(self) -> Path:
        """The installed copy of our backend."""
        return self.backends / "onnxruntime/model.py"

    def check(self) -> None:
        """Makes sure that a server started from here works.

        Raises:
            LauncherError: It would not.
        """
        problem = packages_problem(self.venv)
        if problem is None and (not self.model_py.is_file() or self.model_py.read_bytes() != BACKEND.read_bytes()):
            problem = f"{self.model_py} is another version's"
        if problem is not None:
            raise LauncherError(f"{problem}: run `gapura triton install`")


def packages_problem(venv: Path) -> str | None:
    """Says what is wrong with a virtual environment, if anything."""
    try:
        written = json.loads(stamp_of(venv).read_text())
    except FileNotFoundError:
        return f"tritonserver is not installed in {venv.parent}"
    if written != wanted_stamp():
        return f"{venv} holds another version"
    return numpy_problem(site_packages(venv))


def numpy_problem(packages: Path) -> str | None:
    """Says what is wrong with the numpy among installed packages, if anything."""
    for found in importlib.metadata.distributions(name="numpy", path=[str(packages)]):
        if found.version.startswith("1."):
            return None
        return f"{packages} has numpy {found.version}, with which Triton's python backend hands over wrong tensors"
    return f"{packages} has no numpy"


def site_packages(venv: Path) -> Path:
    """Returns where the packages of a virtual environment are."""
    return venv / f"lib/python{python_version()}/site-packages"


def python_version() -> str:
    """Returns the running Python's X.Y."""
    return "{}.{}".format(*sys.version_info)


def stamp_of(venv: Path) -> Path:
    """Returns the file that is written when a virtual environment is complete."""
    return venv / "gapura.json"


def wanted_stamp() -> dict[str, object]:
    """Returns what a virtual environment of this version is made from."""
    return {"packages": list(PACKAGES), "python": platform.python_version(), "prefix": sys.base_prefix}


def check_machine() -> None:
    """Makes sure that the wheels run on this machine, with this Python.

    Raises:
        LauncherError: They do not.
    """
    instead = "or use NVIDIA's container, see deploy/triton/README.md"
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise LauncherError(f"tritonserver's wheel needs Linux on x86-64: take such a machine, {instead}")
    libc, version = platform.libc_ver()
    if libc != "glibc" or tuple(map(int, version.split("."))) < GLIBC:
        raise LauncherError(f"tritonserver's wheel needs glibc {GLIBC[0]}.{GLIBC[1]}: take a newer system, {instead}")
    if sys.version_info[:2] not in PYTHONS:
        pythons = " or ".join("{}.{}".format(*python) for python in PYTHONS)
        raise LauncherError(f"Triton's python backend needs numpy 1: run Gapura with Python {pythons}, {instead}")
    library = sysconfig.get_config_var("INSTSONAME")
    if not has_library(library):
        raise LauncherError(f"Triton's python backend needs {library}: install it, {instead}")


def has_library(name: str) -> bool:
    """Says whether this Python's shared library can be loaded."""
    if any((folder / name).exists() for folder in library_folders()):
        return True
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def library_folders() -> list[Path]:
    """Returns where this Python's shared library may be, beside where the system looks anyway."""
    return [Path(sysconfig.get_config_var("LIBDIR")), Path(sys.base_prefix, "lib")]
