"""What a newcomer does: takes a clone, follows README.md to the letter, and notes what is printed.

Three things are not as with a real newcomer. Packages are not downloaded, which takes minutes: the clone has a
copy of this environment by hard links, in which `make` installs Gapura itself anew, as nothing says that it has been.
Nor are archives of training data, where they are at hand. And since tests run beside each other, the gateway and what
belongs to it listen on free ports instead of the usual ones.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from gapura_supervisor.deployment import mark_of
from gapura_supervisor.processes import marked
from gapura_supervisor.state import Place

from tests.conftest import ROOT, copy_archives
from tests.e2e.serving import free_port, own_ports
from tests.supervisor.deployments import ended
from tests.triton.nodes import wait_until

USUAL = "127.0.0.1:9003"
SERVING = "Serving until Ctrl-C."
INHERITED = re.compile(
    r"PIP_\w+|UV_\w+|(?i:npm_config_\w+)|\w*_CA_(BUNDLE|CERTS)|SSL_CERT_\w+|(?i:\w+_proxy)"
)  # leads to packages
SNIPPET_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Called:
    """A snippet of README.md.

    Attributes:
        snippet: The command, or the program.
        shown: What README.md says that it prints.
        printed: What it has printed.
    """

    snippet: str
    shown: str
    printed: str


@dataclass(frozen=True, slots=True)
class Visit:
    """What a newcomer has seen.

    Attributes:
        folder: The clone.
        toured: What `make run` has printed.
        called: Every snippet of "Calling a model".
        status: With what `make run` has ended after Ctrl-C.
    """

    folder: Path
    toured: str
    called: tuple[Called, ...]
    status: int


def visit(folder: Path) -> None:
    """Does what README.md says in a folder that does not exist yet; keeps there what was seen."""
    _clone(folder)
    readme = (folder / "README.md").read_text()
    (command,) = re.findall(r"^    (make run)$", _section(readme, "Two commands"), re.MULTILINE)
    listen = f"127.0.0.1:{free_port()}"
    environment = _environment(folder, listen)
    with _started(f"{command} ARGS=--listen={listen}", folder, environment) as process:
        assert process.stdout is not None
        toured = ""
        for line in process.stdout:
            toured += line
            if line.startswith(SERVING):
                break
        assert SERVING in toured, toured
        called = list(_call(_section(readme, "Calling a model").replace(USUAL, listen), folder, environment))
        os.killpg(process.pid, signal.SIGINT)
        toured += process.stdout.read()
        status = process.wait(60)
        wait_until(lambda: not list(marked(mark_of(Place(folder / "var/run")))), 10)
    kept = {"toured": toured, "called": [asdict(each) for each in called], "status": status}
    (folder / "visit.json").write_text(json.dumps(kept))


def read_visit(folder: Path) -> Visit:
    """Returns what was seen."""
    kept = json.loads((folder / "visit.json").read_text())
    return Visit(folder, kept["toured"], tuple(Called(**each) for each in kept["called"]), kept["status"])


def _clone(folder: Path) -> None:
    """Copies what is in the repository, or would be with the next commit."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - whichever git there is
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).exists():  # else it goes with the next commit
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    subprocess.run(["/bin/cp", "-al", sys.prefix, folder / ".venv"], check=True)
    for mark in (folder / ".venv").glob("installed-*"):
        mark.unlink()
    copy_archives(folder / "var/data")


def _environment(folder: Path, listen: str) -> dict[str, str]:
    home = folder / "var/home"
    home.mkdir()
    inherited = {name: value for name, value in os.environ.items() if INHERITED.fullmatch(name)}
    path = f"{Path(sys.base_prefix) / 'bin'}:/usr/local/bin:/usr/bin:/bin"
    return {**inherited, **own_ports(), "GAPURA_TARGET": listen, "HOME": str(home), "LANG": "C.UTF-8", "PATH": path}


@contextmanager
def _started(command: str, folder: Path, environment: Mapping[str, str]) -> "Iterator[subprocess.Popen[str]]":
    """Starts a command as a terminal does: with a group of its own, which Ctrl-C means. Afterwards it has ended."""
    process = subprocess.Popen(
        command.split(),
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    with ended(process, Place(folder / "var/run")):
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):  # all have ended
                os.killpg(process.pid, signal.SIGKILL)


def _section(readme: str, title: str) -> str:
    """Returns a section of a document, to its next heading."""
    found = re.search(rf"^## {title}\n(.+?)^##", readme, re.MULTILINE | re.DOTALL)
    assert found is not None, f"README.md has no section '{title}'"
    return found[1]


def _call(section: str, folder: Path, environment: Mapping[str, str]) -> Iterator[Called]:
    """Runs what a section shows for a shell, for Python, and for JavaScript with the packages that it says."""
    for language, block in re.findall(r"^```(\w*)\n(.+?)^```$", section, re.MULTILINE | re.DOTALL):
        if language == "python":
            yield _run(block, _comments("  # ", block), [".venv/bin/python", "-c", block], folder, environment)
        elif language == "js":
            (install,) = re.findall(r"`(npm install .+?)`", section)
            subprocess.run(install.split(), cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=True)
            command = ["node", "--input-type=module", "--eval", block]
            yield _run(block, _comments(" // ", block), command, folder, environment)
        elif block.startswith("$ "):
            for command, shown in re.findall(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
                yield _run(command, shown, ["/bin/sh", "-c", command], folder, environment)


def _comments(mark: str, program: str) -> str:
    """Returns what a program says that it prints."""
    shown = re.findall(rf"(?:^{mark.lstrip()}|{mark})(.+)$", program, re.MULTILINE)
    return "".join(f"{line}\n" for line in shown)


def _run(snippet: str, shown: str, command: list[str], folder: Path, environment: Mapping[str, str]) -> Called:
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=SNIPPET_SECONDS,
    )
    return Called(snippet, shown, done.stdout)
