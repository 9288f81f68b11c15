"""The model repository on disk, in Triton's layout; it is whole at every moment.

    <model>/config.pbtxt · <model>/<version>/model.onnx · <model>/<version>/parity.json

A version is staged in `.staging`, which lies on the same file system, and renamed into place. `config.pbtxt` is written
from the catalog: whatever a killed publisher left behind, `settle` brings the folder back to what the catalog says.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from erpml.catalog.v1 import catalog_pb2

from hub.durability import discard, move, write_file, write_folder
from hub.errors import HubError
from hub.triton_config import compose_config

_CONFIG = "config.pbtxt"
_GRAPH = "model.onnx"
_PROOF = "parity.json"


@dataclass(frozen=True, slots=True)
class Repository:
    """A model repository that the hub alone writes."""

    root: Path

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keeps other publishers out; the system releases it however this process ends.

        Raises:
            HubError: Another publisher is at work.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise HubError(f"another publisher is writing {self.root}: try again when it is done") from error
        try:
            yield
        finally:
            os.close(descriptor)

    def holds(self, name: str, version: catalog_pb2.Version) -> bool:
        """Whether the version's file is on disk with the content that the catalog names."""
        try:
            content = (self._version(name, version.number) / _GRAPH).read_bytes()
        except OSError:
            return False
        return hashlib.sha256(content).hexdigest() == version.sha256

    def install(self, model: catalog_pb2.Model, live: catalog_pb2.Model | None, graph: bytes, proof: str) -> None:
        """Puts the model's one version beside those that are live, which stay loadable.

        Args:
            model: What the catalog is about to say.
            live: What it says now.
            graph: Content of `model.onnx`.
            proof: Content of `parity.json`.
        """
        number = model.versions[0].number
        files = {f"{number}/{_GRAPH}": graph, f"{number}/{_PROOF}": proof.encode()}
        staged, home = self._staging / model.name, self.root / model.name
        if not home.exists():
            write_folder(staged, files | {_CONFIG: compose_config(model).encode()})
            move(staged, home)
            return
        write_folder(staged, files)
        if self._version(model.name, number).exists():  # damaged, or left by a publisher that was killed
            discard(self._version(model.name, number), self._staging / ".old")
        move(staged / str(number), self._version(model.name, number))
        self._write_config(_overlap(model, live))

    def settle(self, catalog: catalog_pb2.Catalog) -> None:
        """Brings configurations in line with the catalog and removes what it does not name; else writes nothing."""
        for model in catalog.models:
            if (self.root / model.name).is_dir():
                self._write_config(model)
                self._remove_versions(model)
        live = {model.name for model in catalog.models}
        for folder in sorted(self.root.iterdir()):
            if folder.name not in live and _is_ours(folder):
                discard(folder, self._staging / ".old")
        if self._staging.exists():
            shutil.rmtree(self._staging)

    @property
    def _staging(self) -> Path:
        return self.root / ".staging"

    def _version(self, name: str, number: int) -> Path:
        return self.root / name / str(number)

    def _write_config(self, model: catalog_pb2.Model) -> None:
        path, text = self.root / model.name / _CONFIG, compose_config(model).encode()
        if not path.exists() or path.read_bytes() != text:
            write_file(path, text)

    def _remove_versions(self, model: catalog_pb2.Model) -> None:
        kept = {str(version.number) for version in model.versions}
        for folder in sorted((self.root / model.name).iterdir()):
            if folder.name.isdecimal() and folder.name not in kept:
                discard(folder, self._staging / ".old")
            elif folder.name.startswith("."):  # a configuration that was never finished
                folder.unlink()


def _overlap(model: catalog_pb2.Model, live: catalog_pb2.Model | None) -> catalog_pb2.Model:
    """What the configuration says until the catalog moves: old and new, or the old alone if their tensors differ."""
    if live is None:
        return model
    new = model.versions[0]
    if any(version.signature != new.signature for version in live.versions):
        return live
    both = {version.number: version for version in [*live.versions, new]}
    return catalog_pb2.Model(name=model.name, versions=[both[number] for number in sorted(both)])


def _is_ours(folder: Path) -> bool:
    """Whether a publisher wrote the model folder: every version in it carries its proof."""
    versions = [child for child in folder.glob("*") if child.name.isdecimal()] if folder.is_dir() else []
    return bool(versions) and all((version / _PROOF).exists() for version in versions)
