"""The catalog that is live, and what was live before."""

from typing import Any

from gateway.operations.look import Look


def show(look: Look) -> dict[str, Any]:
    """Returns the live catalog, which process has which generation, and the history."""
    return {
        "catalog": look.catalog,
        "states": [state for state in look.states if state.catalog],
        "generations": look.sources.generations.latest(),
    }
