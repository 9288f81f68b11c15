"""Moments as people write and read them: ISO 8601, in their own zone where they name none."""

from datetime import datetime

from hub.errors import HubError


def parse_moment(text: str) -> datetime:
    """Reads a moment; one without a zone is local time.

    Raises:
        HubError: It is none.
    """
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError) as error:
        raise HubError(f"{text!r} is no time: write 2026-11-01T00:00, or 2026-11-01T00:00+01:00 for a zone") from error


def format_moment(moment: datetime) -> str:
    """Returns a moment in local time, to the second, with its zone."""
    return moment.astimezone().isoformat(sep=" ", timespec="seconds")
