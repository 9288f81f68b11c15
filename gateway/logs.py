"""Structured logs: readable lines on a terminal, JSON otherwise. One line per unexpected error, none per good call."""

import logging
import sys
from contextlib import suppress
from typing import Any, TextIO

import structlog
from structlog.tracebacks import ExceptionDictTransformer

LEVELS = ("debug", "info", "warning", "error", "critical")


class Unfailing:
    """A stream that loses what it cannot write: a full disk or a closed pipe must not stop the gateway."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Writes, if that is possible."""
        with suppress(OSError, ValueError):
            self._stream.write(text)

    def flush(self) -> None:
        """Flushes, if that is possible."""
        with suppress(OSError, ValueError):
            self._stream.flush()


def configure_logs(level: str) -> None:
    """Sends logs to standard error.

    Args:
        level: Lowest level that is written, such as `info`.
    """
    terminal = sys.stderr.isatty()
    tracebacks = ExceptionDictTransformer(show_locals=False)  # locals hold keys and customers' data
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if terminal else [structlog.processors.ExceptionRenderer(tracebacks)]),
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
            if terminal
            else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=_filtering(level),
        logger_factory=structlog.PrintLoggerFactory(Unfailing(sys.stderr)),  # type: ignore[arg-type] # all it uses of a file
    )


def set_level(level: str) -> None:
    """Changes the lowest level that is written, from now on and for every logger."""
    structlog.configure(wrapper_class=_filtering(level))


def level_of() -> str:
    """Returns the lowest level that is written."""
    return str(logging.getLevelName(structlog.get_logger().get_effective_level())).lower()


def _filtering(level: str) -> Any:
    """Returns the class of loggers that leave out what is below a level."""
    return structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()])
