"""Draws a soak: memory, p99, and what the gateway has open, over time."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt

from benchmarks.soak.trends import p99_ms
from benchmarks.soak.windows import Window

SIZE_INCHES, DOTS_PER_INCH = (10, 8), 120
SECONDS_PER_MINUTE = 60


def draw(windows: Sequence[Window], warm_up_seconds: float, file: Path, subtitle: str) -> None:
    """Writes the picture; what is before the dashed line was warm-up."""
    figure, (memory, latency, opened) = plt.subplots(3, 1, figsize=SIZE_INCHES, sharex=True, layout="constrained")
    minutes = [window.ended / SECONDS_PER_MINUTE for window in windows]
    for stage in windows[0].held.stages_mb:
        memory.plot(minutes, [window.held.stages_mb[stage] for window in windows], label=stage)
    for load in windows[0].seconds:
        latency.plot(minutes, [p99_ms([window], load) for window in windows], label=load)
    for what in ("files", "threads"):
        opened.plot(minutes, [getattr(window.held, what) for window in windows], label=what)
    for axes, label in ((memory, "RAM, MB"), (latency, "p99, ms"), (opened, "of the gateway")):
        axes.axvline(warm_up_seconds / SECONDS_PER_MINUTE, linestyle="--", color="grey")
        axes.set_ylabel(label)
        axes.set_ylim(bottom=0)
        axes.grid(visible=True, alpha=0.3)
        axes.legend(loc="lower right")
    opened.set_xlabel("minutes")
    figure.suptitle(subtitle, fontsize="small")
    figure.savefig(file, dpi=DOTS_PER_INCH)
    plt.close(figure)
