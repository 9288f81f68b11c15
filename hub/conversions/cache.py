"""Keeps conversions on disk: the same artifacts, proven on the same rows by the same tools, are not converted twice."""

import hashlib
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path

import converters
from converters import Conversion, ConversionError
from hub.durability import discard, move, write_folder

_TOOLS = (
    "gapura",
    "onnx",
    "onnxruntime",
    "skl2onnx",
    "onnxmltools",
    "tf2onnx",
    "torch",
    "xgboost",
    "lightgbm",
    "catboost",
)
_KEPT = 500


@cache
def installed_tools() -> Mapping[str, str]:
    """Versions of the tools that a conversion depends on, and a digest of the code that converts."""
    found = {"converters": digest_of_code(Path(converters.__file__).parent)}
    for name in _TOOLS:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def digest_of_code(folder: Path) -> str:
    """Returns a digest of all modules of a package: what an older one let pass is proven anew."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder)} {len(content)} ".encode() + content)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class ConversionCache:
    """A folder of conversions. It may be removed at any time.

    Attributes:
        folder: Where they are kept, one subfolder each.
        tools: What conversions depend on; those of other tools are not found.
    """

    folder: Path
    tools: Mapping[str, str] = field(default_factory=installed_tools)

    def find(self, origin: str) -> Conversion | None:
        """Returns the conversion of an origin, or None where there is none that can be read.

        Args:
            origin: Digests of the artifacts and of the rows that they are proven on.
        """
        home = self._home(origin)
        try:
            files = {path.name: path.read_bytes() for path in home.iterdir()}
            conversion = Conversion.from_files(files)
            home.touch()  # the longest unused go first
        except (OSError, ConversionError):
            return None
        return conversion

    def keep(self, origin: str, conversion: Conversion) -> None:
        """Keeps a conversion, and forgets those that were not used for longest."""
        home = self._home(origin)
        staged = home.with_name(f".{home.name}.new")
        shutil.rmtree(staged, ignore_errors=True)  # left by a process that was killed
        write_folder(staged, dict(conversion.to_files()))
        if home.exists():
            discard(home, self.folder / ".old")
        move(staged, home)
        known = (path for path in self.folder.iterdir() if not path.name.startswith("."))
        for path in sorted(known, key=lambda each: each.stat().st_mtime, reverse=True)[_KEPT:]:
            shutil.rmtree(path, ignore_errors=True)

    def _home(self, origin: str) -> Path:
        return self.folder / hashlib.sha256(f"{origin} {sorted(self.tools.items())}".encode()).hexdigest()
