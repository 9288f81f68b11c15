"""What the pages say is there: links, commands with their options, settings with their defaults, a team's contract."""

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner
from gapura_deployment.settings import DeploymentSettings
from gapura_envoy.settings import EdgeSettings
from pydantic_settings import BaseSettings

from gateway.__main__ import main
from gateway.contracts.descriptors import link
from gateway.settings import Settings
from hub.settings import HubSettings

ROOT = Path(__file__).parents[1]
PATTERNS = ("README.md", "[a-z]*/README.md", "deploy/*/README.md", "examples/*/README.md", "docs/**/*.md")
PAGES = sorted(path for pattern in PATTERNS for path in ROOT.glob(pattern))
JOINING = ROOT / "docs/joining.md"
SETTINGS: tuple[type[BaseSettings], ...] = (Settings, HubSettings, DeploymentSettings, EdgeSettings)

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def blocks(page: Path) -> list[str]:
    """Returns what stands in fenced and in indented blocks of a page, a command on one line each."""
    text = page.read_text()
    fenced = re.findall(r"^```[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    indented = re.findall(
        r"(?:^    .+\n)+", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE
    )
    return [re.sub(r"\\\n\s*", " ", block) for block in (*fenced, *indented)]


def prose(page: Path) -> str:
    """Returns a page without its fenced blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def typed_commands(page: Path) -> list[list[str]]:
    """Returns the words of each `gapura ...` that a page tells people to type, without `gapura`."""
    lines = [line.strip() for block in blocks(page) for line in block.splitlines()]
    lines += re.findall(r"`(gapura [^`…]+)`", prose(page))
    found = []
    for line in lines:
        match = re.match(r"(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?gapura (.*)", line)
        if match:
            words = shlex.split(re.split(r" \| | > |;", match[1])[0], comments=True)
            found.append(words)
    return found


@cache
def anchors(page: Path) -> frozenset[str]:
    """Returns the names that a page's headings have in links."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)


@every_page
def test_a_link_leads_somewhere(page: Path) -> None:
    broken = []
    for target in re.findall(r"""\]\(([^)\s]+)\)|(?:src|srcset)="([^"]+)\"""", prose(page)):
        address, _, anchor = "".join(target).partition("#")
        if "://" in address:
            continue
        there = (page.parent / address).resolve() if address else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append("".join(target))
    assert broken == []


@pytest.fixture(scope="session")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a folder in which the contract of docs/joining.md was compiled with the command that stands there."""
    folder = tmp_path_factory.mktemp("newcomer")
    (folder / "protos").symlink_to(ROOT / "protos")
    contract, compilation = (
        next(block for block in blocks(JOINING) if mark in block) for mark in ('syntax = "proto3"', "grpc_tools.protoc")
    )
    (folder / "refill_service.proto").write_text(contract)
    protoc = next(line for line in compilation.splitlines() if "grpc_tools.protoc" in line)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    subprocess.run(["/bin/bash", "-c", protoc], cwd=folder, env=environment, check=True)
    return folder


@cache
def fault_of(command: tuple[str, ...]) -> str:
    """Returns what `gapura` has against a command, empty if nothing; an option at its end may lack its value."""
    endings = [["--help"], ["VALUE", "--help"]] if command[-1].startswith("--") else [["--help"]]
    outcomes = [CliRunner().invoke(main, [*command, *ending]) for ending in endings]
    return "" if any(done.exit_code == 0 for done in outcomes) else outcomes[0].output


@every_page
def test_a_command_has_the_options_shown(page: Path, newcomer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(newcomer)
    faults = {shlex.join(words): fault_of(tuple(words)) for words in typed_commands(page) if words}
    assert {command: fault for command, fault in faults.items() if fault} == {}


def test_commands_are_found_on_the_pages() -> None:
    assert ["status", "team5_shelf_refill"] in typed_commands(JOINING)
    assert len(typed_commands(ROOT / "README.md")) >= 4


@every_page
def test_a_program_that_is_named_exists(page: Path) -> None:
    code = "\n".join((*blocks(page), *re.findall(r"`([^`]+)`", prose(page))))
    modules = re.findall(r"python -m ((?:benchmarks|tests)[\w.]+)", code)
    assert [name for name in modules if importlib.util.find_spec(name) is None] == []
    assert [
        name for name in re.findall(r"(?:examples|benchmarks)/[\w/]+\.py", code) if not (ROOT / name).exists()
    ] == []
    targets = re.findall(r"^\s*(?:\$ )?make ([a-z]+)", code, re.MULTILINE)
    assert [name for name in targets if f"\n{name}:" not in (ROOT / "Makefile").read_text()] == []


def variables(settings: type[BaseSettings]) -> dict[str, object]:
    """Returns the environment variables of settings, with their defaults."""
    prefix = settings.model_config["env_prefix"]
    return {f"{prefix}{name}".upper(): field.default for name, field in settings.model_fields.items()}


def test_every_setting_of_gateway_and_hub_is_documented() -> None:
    named = set(re.findall(r"`(GAPURA_\w+)`", (ROOT / "docs/settings.md").read_text()))
    assert sorted({*variables(Settings), *variables(HubSettings), *variables(DeploymentSettings)} - named) == []


def plain(value: object) -> str:
    """Returns a default as pages write it."""
    return f"{value:g}" if type(value) is float else str(value).lower() if isinstance(value, bool) else str(value)


def test_a_documented_default_is_the_default() -> None:
    rows = re.findall(r"^\| `(GAPURA_\w+)` \| (\S+) \|", (ROOT / "docs/settings.md").read_text(), re.MULTILINE)
    told = {name: default.strip("`") for name, default in rows if default not in ("none", "learnt", "cores")}
    defaults = {**variables(HubSettings), **variables(Settings)}
    assert told == {name: plain(defaults[name]) for name in told}


@cache
def known_variables() -> set[str]:
    """Returns the variables of settings, and those that code or a configuration names itself."""
    sources = [path for top in ("deploy", "protos/python/gapura_client") for path in (ROOT / top).rglob("*")]
    text = "\n".join(path.read_text() for path in sources if path.suffix in (".py", ".yaml"))
    named = re.findall(r"GAPURA_[A-Z_]++(?!\*)", text)
    return {*named, *(name for settings in SETTINGS for name in variables(settings))}


@every_page
def test_a_setting_that_is_named_exists(page: Path) -> None:
    assert sorted(set(re.findall(r"GAPURA_[A-Z_]++(?!\*)", page.read_text())) - known_variables()) == []


def test_the_contract_of_a_newcomer_fits_its_model(newcomer: Path) -> None:
    linked = link({"team5": (newcomer / "team5.binpb").read_bytes()})
    method = next(method for method in linked.methods if method.path == "/erpml.team5.v1.RefillService/PredictRefill")
    assert (linked.faults, method.serving.model) == ({}, "team5_shelf_refill")
