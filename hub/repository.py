"""The model repository on disk, in Triton's layout; it is whole at every moment.

    <model>/config.pbtxt · <model>/<output>_labels.txt
    <model>/<version>/model.onnx · parity.json · golden.npz · signature.json

A version is staged in `.staging`, which lies on the same file system, and renamed into place. `config.pbtxt` is written
from the catalog: whatever a killed publisher left behind, `configure` and `clear` bring the folder back to what the
catalog says.
"""

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from erpml.catalog.v1 import catalog_pb2

from hub.durability import discard, move, write_file, write_folder
from hub.errors import BusyError
from hub.triton_config import LABELS, compose_files

if TYPE_CHECKING:
    from converters import Conversion

_GRAPH = "model.onnx"
_PROOF = "parity.json"
_FILES = frozenset({_GRAPH, _PROOF, "golden.npz", "signature.json"})
_LOCK_POLL_SECONDS = 0.05

# Says one content of a file from the next, without reading it.
_Fingerprint = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Repository:
    """A model repository that the hub alone writes."""

    root: Path
    _digests: dict[Path, tuple[_Fingerprint, str]] = field(default_factory=dict, compare=False)

    @contextmanager
    def lock(self, wait_seconds: float = 0.0) -> Iterator[None]:
        """Keeps other publishers out; the system releases it however this process ends.

        Raises:
            BusyError: Another publisher is at work, and still is after `wait_seconds`.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.root, os.O_RDONLY)
        until = time.monotonic() + wait_seconds
        try:
            while not _try_lock(descriptor):
                if time.monotonic() >= until:
                    raise BusyError(f"another publisher is writing {self.root}: try again when it is done")
                time.sleep(_LOCK_POLL_SECONDS)
            yield
        finally:
            os.close(descriptor)

    def holds(self, name: str, version: catalog_pb2.Version) -> bool:
        """Whether the version's files are on disk, the graph with the content that the catalog names."""
        folder = self._version(name, version.number)
        try:
            complete = {path.name for path in folder.iterdir()} >= _FILES
            return complete and self._digest(folder / _GRAPH) == version.sha256
        except OSError:
            return False

    def read(self, name: str, number: int) -> "Conversion":
        """Returns the conversion that lies there.

        Raises:
            ConversionError: It cannot be read.
        """
        from converters import Conversion  # noqa: PLC0415 - takes a second, which most commands need not wait for

        return Conversion.from_files({path.name: path.read_bytes() for path in self._version(name, number).iterdir()})

    def install(self, described: catalog_pb2.Model, number: int, conversion: "Conversion") -> None:
        """Puts a version beside those that lie there.

        Args:
            described: What the configuration says from now on.
            number: The version.
            conversion: What it consists of.
        """
        name = described.name
        files = {f"{number}/{file}": content for file, content in conversion.to_files().items()}
        staged, home = self._staging / name, self.root / name
        if not home.exists():
            write_folder(staged, files | compose_files(described))
            move(staged, home)
            return
        write_folder(staged, files)
        if self._version(name, number).exists():  # damaged, or left by a publisher that was killed
            discard(self._version(name, number), self._staging / ".old")
        move(staged / str(number), self._version(name, number))
        self.describe(described)

    def describe(self, model: catalog_pb2.Model) -> None:
        """Brings a model's configuration in line with `model`; one that is already is not written."""
        for name, content in compose_files(model).items():
            path = self.root / model.name / name
            if not path.exists() or path.read_bytes() != content:
                write_file(path, content)

    def configure(self, described: Mapping[str, catalog_pb2.Model]) -> None:
        """Brings all configurations in line."""
        for model in described.values():
            if (self.root / model.name).is_dir():
                self.describe(model)

    def clear(self, kept: Mapping[str, Collection[int]], described: Mapping[str, catalog_pb2.Model]) -> None:
        """Removes all other versions than `kept`, and of models that are described, files that nobody names."""
        for name, numbers in kept.items():
            if (self.root / name).is_dir():
                self._remove_surplus(name, numbers, described.get(name))
        for folder in sorted(self.root.iterdir()):
            if folder.name not in kept and _is_ours(folder):
                discard(folder, self._staging / ".old")
        if self._staging.exists():
            shutil.rmtree(self._staging)

    @property
    def _staging(self) -> Path:
        return self.root / ".staging"

    def _version(self, name: str, number: int) -> Path:
        return self.root / name / str(number)

    def _remove_surplus(self, name: str, numbers: Collection[int], described: catalog_pb2.Model | None) -> None:
        """Removes versions, label files, and what was never finished."""
        for path in sorted((self.root / name).iterdir()):
            if path.name.isdecimal() and int(path.name) not in numbers:
                discard(path, self._staging / ".old")
                self._digests.pop(path / _GRAPH, None)
            elif path.name.startswith(".") or (described is not None and _is_stale_label(path, described)):
                path.unlink()

    def _digest(self, path: Path) -> str:
        """Returns the SHA-256 of a file; one that has not changed is not read again."""
        status = path.stat()
        fingerprint = (status.st_ino, status.st_mtime_ns, status.st_size)
        known = self._digests.get(path)
        if known is None or known[0] != fingerprint:
            known = self._digests[path] = (fingerprint, hashlib.sha256(path.read_bytes()).hexdigest())
        return known[1]


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_stale_label(path: Path, described: catalog_pb2.Model) -> bool:
    return path.name.endswith(LABELS) and path.name not in compose_files(described)


def _is_ours(folder: Path) -> bool:
    """Whether a publisher wrote the model folder: every version in it carries its proof."""
    versions = [child for child in folder.glob("*") if child.name.isdecimal()] if folder.is_dir() else []
    return bool(versions) and all((version / _PROOF).exists() for version in versions)
