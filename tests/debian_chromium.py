"""Installs Debian's headless Chromium without root, once, below `var/`, with every library that the system lacks."""

import os
import platform
import subprocess
from pathlib import Path

from tests.debian_packages import run_in
from tests.sharing import alone_in

HOME = Path(__file__).parents[1] / "var/chromium"
PACKAGES = ("chromium-headless-shell", "fontconfig-config", "fonts-liberation")


def debian_chromium() -> tuple[str, dict[str, str | float | bool]]:
    """Returns the browser and its environment; installs it where it is not yet.

    Raises:
        subprocess.CalledProcessError: A part cannot be had; what the tool said of it is printed.
    """
    binary = HOME / "usr/lib/chromium/chromium-headless-shell"
    with alone_in(HOME):
        if not (HOME / "installed").exists():
            install()
            (HOME / "installed").touch()
    libraries = HOME / f"usr/lib/{platform.machine()}-linux-gnu"
    environment = {"LD_LIBRARY_PATH": f"{libraries}:{libraries}/pulseaudio", "XDG_DATA_HOME": f"{HOME}/usr/share"}
    if not Path("/etc/fonts").exists():
        environment["FONTCONFIG_PATH"] = f"{HOME}/etc/fonts"
    return str(binary), {**os.environ, **environment}


def install() -> None:
    """Fetches the packages and all that they need, by lists of our own where the system has none, and unpacks them."""
    (HOME / "apt/lists/partial").mkdir(parents=True, exist_ok=True)
    (HOME / "apt/cache/archives/partial").mkdir(parents=True, exist_ok=True)
    options = ("Debug::NoLocking=1", f"Dir::Cache={HOME}/apt/cache", "APT::Sandbox::User=")
    own = [word for option in options for word in ("-o", option)]
    fetch = ("install", "--download-only", "--yes", "--no-install-recommends", *PACKAGES)
    try:
        run_in(HOME, "apt-get", "-qq", *own, *fetch)
    except subprocess.CalledProcessError:
        own += ["-o", f"Dir::State::lists={HOME}/apt/lists"]
        run_in(HOME, "apt-get", "-qq", *own, "update")
        run_in(HOME, "apt-get", "-qq", *own, *fetch)
    for package in (HOME / "apt/cache/archives").glob("*.deb"):
        run_in(HOME, "dpkg-deb", "-x", str(package), ".")
        package.unlink()
