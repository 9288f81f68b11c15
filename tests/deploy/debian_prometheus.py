"""Installs Debian's Prometheus without root and without its service, once, below `var/`."""

from pathlib import Path

from tests.debian_packages import unpack_packages
from tests.sharing import alone_in

HOME = Path(__file__).parents[2] / "var/prometheus"
PACKAGE = "prometheus"


def debian_prometheus(name: str = "prometheus") -> str:
    """Returns one of its programs, `prometheus` or `promtool`; installs them where they are not yet.

    Raises:
        subprocess.CalledProcessError: The package cannot be had; what the tool said of it is printed.
    """
    with alone_in(HOME):
        if not (HOME / "installed").exists():
            unpack_packages(HOME, PACKAGE)  # it needs no other
            (HOME / "installed").touch()
    return str(HOME / "usr/bin" / name)
