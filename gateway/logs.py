"""Structured logs: readable lines on a terminal, JSON otherwise. One line per unexpected error, none per good call."""

import logging
import sys

import structlog


def configure_logs(level: str) -> None:
    """Sends logs to standard error.

    Args:
        level: Lowest level that is written, such as `info`.
    """
    terminal = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if terminal else [structlog.processors.dict_tracebacks]),
            structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
