"""The level of the log, which an operator changes while processes run by writing a word into a file."""

from pathlib import Path

import structlog

from gateway.logs import LEVELS, level_of, set_level

FILE = "log_level"

log = structlog.get_logger(__name__)


class Levels:
    """Follows the file.

    Args:
        folder: Where it is; None where there is none.

    Attributes:
        live: The level that counts.
    """

    def __init__(self, folder: Path | None) -> None:
        self._path = None if folder is None else folder / FILE
        self._seen = 0
        self.live = level_of()

    def look(self) -> None:
        """Takes the level that the file says, if it has changed."""
        if self._path is None:
            return
        try:
            changed = self._path.stat().st_mtime_ns
            if changed == self._seen:
                return
            self._seen = changed
            level = self._path.read_text().strip().lower()
        except (OSError, UnicodeDecodeError):
            return
        if level in LEVELS and level != self.live:
            self.live = level
            set_level(level)
            log.warning("log level changed", level=level)
        elif level not in LEVELS:
            log.error("no such log level", level=level[:32], choose=", ".join(LEVELS))
