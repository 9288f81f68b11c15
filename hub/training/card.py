"""Writes a model card: what the model is for, what it was trained on, how well it does."""

from collections.abc import Mapping

from hub.training.trained import TrainedModel


def write_card(model: TrainedModel) -> str:
    """Returns the card as Markdown."""
    return "\n".join(
        [
            f"# {model.name}",
            "",
            model.purpose,
            "",
            f"- Owner: {model.team}",
            f"- Kind: {model.model_type}",
            f"- Data: {model.source.title}. {model.source.origin}",
            f"- Licence of the data: {model.source.licence}",
            f"- Training rows: {len(model.features):,}",
            f"- Columns that may be missing: {', '.join(sorted(model.optional)) or 'none'}",
            "",
            "## On held-out rows",
            "",
            *_table("Metric", model.metrics),
            "",
            "## Hyperparameters",
            "",
            *_table("Name", model.params),
            "",
        ]
    )


def _table(heading: str, values: Mapping[str, float | str]) -> list[str]:
    rows = [f"| {name} | {_shorten(value)} |" for name, value in values.items()]
    return [f"| {heading} | Value |", "|---|---|", *rows]


def _shorten(value: float | str) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
