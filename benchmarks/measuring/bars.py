"""Draws what contestants did: a picture of bars for each part of a suite, CPU and throughput side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

WIDTH_INCHES, HEIGHT_OF_BAR_INCHES, MARGIN_INCHES, DOTS_PER_INCH = 10.0, 0.32, 1.5, 120
FIGURES = {"cpu_per_1000": "CPU s per 1,000 calls (less is better)", "calls_per_second": "calls per second"}
WHOLE, FAR_APART = 100, 20
Rounds = Mapping[str, Sequence[Mapping[str, float]]]


def draw(folder: Path, suite: str, kept: Mapping[str, Any], subtitle: str) -> None:
    """Writes the pictures of all parts of a suite that let contestants alternate."""
    for part, found in kept.items():
        for number, (title, rounds) in enumerate(found["figures"].items()):
            if is_rounds(rounds):
                name = f"{suite}-{part}" + (f"-{number + 1}" if number else "")
                draw_one(folder / f"{name}.png", f"{title}\n{subtitle}", rounds)


def is_rounds(value: Any) -> bool:
    """Says whether something is the rounds of contestants."""
    return isinstance(value, Mapping) and all(map(is_measured, value.values()))


def is_measured(value: Any) -> bool:
    """Says whether something is what a contestant did in its rounds."""
    return isinstance(value, list) and bool(value) and isinstance(value[0], Mapping) and set(FIGURES) <= set(value[0])


def draw_one(file: Path, title: str, rounds: Rounds) -> None:
    """Writes one picture; lines show the lowest and highest round."""
    height = MARGIN_INCHES + HEIGHT_OF_BAR_INCHES * len(rounds)
    figure, both = plt.subplots(1, 2, figsize=(WIDTH_INCHES, height), sharey=True, layout="constrained")
    for axes, (name, label) in zip(both, FIGURES.items(), strict=True):
        draw_bars(axes, {who: [each[name] for each in measured] for who, measured in rounds.items()}, label)
    figure.suptitle(title, fontsize="small")
    figure.savefig(file, dpi=DOTS_PER_INCH)
    plt.close(figure)


def draw_bars(axes: Axes, figures: Mapping[str, Sequence[float]], label: str) -> None:
    """Draws the medians of one figure."""
    middle = [median(each) for each in figures.values()]
    below = [mid - min(each) for mid, each in zip(middle, figures.values(), strict=True)]
    above = [max(each) - mid for mid, each in zip(middle, figures.values(), strict=True)]
    drawn = axes.barh(list(figures), middle, xerr=(below, above), capsize=2)
    labels = [f"{mid:,.0f}" if mid >= WHOLE else f"{mid:.3g}" for mid in middle]
    axes.bar_label(drawn, labels, padding=4, fontsize="small")
    if max(middle) > FAR_APART * min(middle):
        axes.set_xscale("log")
    axes.invert_yaxis() if not axes.yaxis_inverted() else None
    axes.set_xlabel(label, fontsize="small")
    axes.margins(x=0.25)
