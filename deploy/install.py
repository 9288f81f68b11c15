"""Installs packages beside the Python that runs this, or another: by uv, in a tenth of pip's time, or by pip.

What pip's files and variables say, uv does not read, and is told: where packages come from, what holds for their
versions, whom to trust. Arguments are those of `pip install`.
"""

# ruff: noqa: INP001, S603, T201 - a script that runs our own commands and prints

import ast
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise

_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
_INSTALL = ("install", "--quiet")
_UV = (sys.executable, "-m", "uv", "pip", "install", "--quiet")
_SECTIONS = ("global", "install", ":env:")  # what a later one says counts
_OPTIONS = ("index-url", "extra-index-url", "find-links", "constraint", "trusted-host")
_VARIABLES = {"cert": "SSL_CERT_FILE", "proxy": "ALL_PROXY", "timeout": "UV_HTTP_TIMEOUT"}


def read_configuration(listed: str) -> dict[str, list[str]]:
    """Returns the values of pip's options, as `pip config list` names them."""
    said: dict[str, dict[str, list[str]]] = {section: {} for section in _SECTIONS}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        section, _, option = key.rpartition(".")
        if section in said:
            said[section][option.removeprefix("default-")] = ast.literal_eval(value).split()
    return {option: values for section in said.values() for option, values in section.items()}


def translate(configured: Mapping[str, Sequence[str]]) -> list[str]:
    """Returns uv's options for what pip is configured to; of several indexes the newest version counts, as with pip."""
    options = [f"--{option}={value}" for option in _OPTIONS for value in configured.get(option, ())]
    is_closed = configured.get("no-index", ["0"])[0].lower() in {"1", "true", "yes", "on"}
    return [*options, "--index-strategy=unsafe-best-match", *(["--no-index"] if is_closed else [])]


def install(arguments: Sequence[str], python: str = sys.executable, *, compiled: bool = False) -> int:
    """Installs beside a Python; returns the status.

    Args:
        arguments: Those of `pip install`.
        python: The Python.
        compiled: Whether to compile all modules now; most are never imported, and others compiled when they are.
    """
    listed = subprocess.run([*_PIP, "config", "list"], capture_output=True, text=True, check=True).stdout
    configured = read_configuration(listed)
    variables = {name: configured[option][0] for option, name in _VARIABLES.items() if configured.get(option)}
    constraints = [each for pair in pairwise(arguments) if pair[0] == "--constraint" for each in pair]
    if subprocess.run([*_PIP, *_INSTALL, *constraints, "uv"], check=False).returncode == 0:
        options = [*translate(configured), *(["--compile-bytecode"] if compiled else [])]
        command = [*_UV, "--python", python, *options, *arguments]
        if subprocess.run(command, env={**variables, **os.environ}, check=False).returncode == 0:
            return 0
    print("uv could not install; pip tries", file=sys.stderr)
    options = [] if compiled else ["--no-compile"]
    return subprocess.run([*_PIP, "--python", python, *_INSTALL, *options, *arguments], check=False).returncode


if __name__ == "__main__":
    sys.exit(install(sys.argv[1:]))
