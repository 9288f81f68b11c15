"""The log level that all processes of a folder take within seconds."""

from pathlib import Path

from gateway.errors import ConfigurationError
from gateway.logs import LEVELS
from gateway.telemetry.levels import FILE


def read_level(folder: Path) -> str:
    """Returns the level that processes are asked for; nothing if each has the one that it was started with."""
    try:
        level = (folder / FILE).read_text().strip().lower()
    except (OSError, UnicodeDecodeError):
        return ""
    return level if level in LEVELS else ""


def write_level(folder: Path, level: str) -> None:
    """Asks all processes for a level.

    Raises:
        ConfigurationError: There is no such level, or the file cannot be written.
    """
    if level not in LEVELS:
        raise ConfigurationError(f"there is no log level '{level[:32]}'; choose {', '.join(LEVELS)}")
    beside = folder / f".{FILE}.tmp"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside.write_text(f"{level}\n")
        beside.replace(folder / FILE)
    except OSError as error:
        raise ConfigurationError(
            f"GAPURA_TELEMETRY: cannot write {folder / FILE}: {error.strerror or error}"
        ) from error
