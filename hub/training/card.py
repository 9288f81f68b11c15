"""Writes a model card: what the model is for, what it was trained on, how well it does."""

from collections.abc import Mapping

from hub.training.trained import TrainedModel

_FAST = "- Trained with `--fast`, on fewer rows or for fewer rounds: to try things out, not to decide by"


def write_card(model: TrainedModel, *, fast: bool) -> str:
    """Returns the card as Markdown.

    Args:
        model: What the card is about.
        fast: Whether it was trained the fast way.
    """
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
            *([_FAST] if fast else []),
            "",
            "## On held-out rows",
            "",
            *_table("Metric", model.metrics),
            "",
            *_baselines(model),
            "## Hyperparameters",
            "",
            *_table("Name", model.params),
            "",
        ]
    )


def _baselines(model: TrainedModel) -> list[str]:
    if not model.baselines:
        return []
    rows = [
        f"| {baseline.metric} | {_shorten(model.metrics[baseline.metric])} | {_shorten(baseline.value)} | "
        f"{'yes' if baseline.reached(model.metrics) else 'no'} | {baseline.source} |"
        for baseline in model.baselines
    ]
    return [
        "## Against baselines",
        "",
        "| Metric | Model | Baseline | Reached | Of |",
        "|---|---|---|---|---|",
        *rows,
        "",
    ]


def _table(heading: str, values: Mapping[str, float | str]) -> list[str]:
    rows = [f"| {name} | {_shorten(value)} |" for name, value in values.items()]
    return [f"| {heading} | Value |", "|---|---|", *rows]


def _shorten(value: float | str) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
