"""MLflow as the system of record."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hub.registry.registry import ModelRegistry

__all__ = ["ModelRegistry"]


def __getattr__(name: str) -> Any:
    """Imports the registry when it is asked for: MLflow takes seconds, and the commands live in this package."""
    if name == "ModelRegistry":
        from hub.registry.registry import ModelRegistry  # noqa: PLC0415 - as above

        return ModelRegistry
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
