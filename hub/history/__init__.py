"""The history of models: append-only, in MLflow, and what was live when."""

from typing import TYPE_CHECKING, Any

from hub.history.change import Change
from hub.history.state import State

if TYPE_CHECKING:
    from hub.history.history import History

__all__ = ["Change", "History", "State"]


def __getattr__(name: str) -> Any:
    """Imports the history when it is asked for: MLflow takes seconds, and the command lives in this package."""
    if name == "History":
        from hub.history.history import History  # noqa: PLC0415 - as above

        return History
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
