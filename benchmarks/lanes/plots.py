"""Draws the curves: throughput and p99 against the number of calls under way."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt

THROUGHPUT, P99 = "lanes-throughput.png", "lanes-p99.png"
SIZE_INCHES, DOTS_PER_INCH = (8, 5), 120
Points = Sequence[Mapping[str, float]]


def draw(folder: Path, curves: Mapping[str, Points], subtitle: str) -> None:
    """Writes both pictures; bars show the lowest and highest round."""
    draw_one(
        folder / THROUGHPUT, curves, ("calls_per_second", "lowest", "highest"), "answered calls per second", subtitle
    )
    draw_one(folder / P99, curves, ("p99_ms", "p99_low", "p99_high"), "p99, ms", subtitle, logarithmic=True)


def draw_one(  # noqa: PLR0913 - what a picture consists of
    file: Path,
    curves: Mapping[str, Points],
    names: tuple[str, str, str],
    label: str,
    subtitle: str,
    *,
    logarithmic: bool = False,
) -> None:
    """Writes one picture."""
    figure, axes = plt.subplots(figsize=SIZE_INCHES, layout="constrained")
    middle, low, high = names
    for name, points in curves.items():
        values = [point[middle] for point in points]
        below = [value - point[low] for value, point in zip(values, points, strict=True)]
        above = [point[high] - value for value, point in zip(values, points, strict=True)]
        under_way = [point["concurrency"] for point in points]
        axes.errorbar(under_way, values, yerr=(below, above), marker="o", capsize=3, label=name)
    axes.set_xscale("log", base=2)
    ticks = sorted({int(point["concurrency"]) for points in curves.values() for point in points})
    axes.set_xticks(ticks, list(map(str, ticks)))
    if logarithmic:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.set(xlabel="calls of one row under way at once", ylabel=label)
    axes.set_title(subtitle, fontsize="small")
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    figure.savefig(file, dpi=DOTS_PER_INCH)
    plt.close(figure)
