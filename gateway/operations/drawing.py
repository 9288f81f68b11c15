"""Where lines and bars are drawn; templates make SVG of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.operations.kept import KeptBatch, KeptCall
from gateway.telemetry.records import NS

WIDTH, HEIGHT, MARGIN = 240.0, 36.0, 2.0
BAR = 1000.0
LEAST = 2.0  # so that a short stage is seen


@dataclass(frozen=True, slots=True)
class Spark:
    """A line of values.

    Attributes:
        line: Points of the line.
        area: Points of what is below it.
        least: The lowest value.
        most: The highest one.
        last: The latest one.
    """

    line: str
    area: str
    least: float
    most: float
    last: float


def draw_spark(values: Sequence[float]) -> Spark | None:
    """Draws values from left to right, from zero up; None if there are fewer than two."""
    if len(values) < 2:  # noqa: PLR2004 - a line has two ends
        return None
    top, step = max(values) or 1.0, WIDTH / (len(values) - 1)
    reach = HEIGHT - 2 * MARGIN
    points = [f"{at * step:.1f},{HEIGHT - MARGIN - value / top * reach:.1f}" for at, value in enumerate(values)]
    line = " ".join(points)
    return Spark(line, f"0,{HEIGHT:.0f} {line} {WIDTH:.0f},{HEIGHT:.0f}", min(values), max(values), values[-1])


@dataclass(frozen=True, slots=True)
class Column:
    """A part of a distribution.

    Attributes:
        left: Where it begins, of `WIDTH`.
        width: How wide it is.
        top: Where it begins, of `HEIGHT`.
        height: How high it is.
    """

    left: float
    width: float
    top: float
    height: float


def draw_columns(counts: Sequence[float]) -> list[Column]:
    """Draws a distribution from left to right, the most frequent part as high as there is room."""
    most, step = max(counts, default=0.0) or 1.0, WIDTH / max(len(counts), 1)
    heights = [max(count / most * HEIGHT, LEAST) if count else 0.0 for count in counts]
    return [Column(at * step + MARGIN / 2, step - MARGIN, HEIGHT - height, height) for at, height in enumerate(heights)]


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of a call on its way.

    Attributes:
        name: What is shown.
        kind: What it is coloured by.
        left: Where it begins, of `BAR`.
        width: How wide it is.
        offset: When it began, in seconds after the call.
        seconds: How long it took.
        share: Of the call.
        depth: 0 for stages, 1 for batches, 2 for their tries.
        trace: Trace to which it leads.
        note: What else is to be said.
        fault: What went wrong.
    """

    name: str
    kind: str
    left: float
    width: float
    offset: float
    seconds: float
    share: float
    depth: int = 0
    trace: str = ""
    note: str = ""
    fault: str = ""


def draw_bar(name: str, kind: str, offset: float, seconds: float, whole: float) -> Bar:
    """Draws a part of something that took `whole` seconds."""
    share = seconds / whole if whole > 0 else 0.0
    left = min(max(offset / whole if whole > 0 else 0.0, 0.0), 1.0) * BAR
    width = min(max(share * BAR, LEAST), BAR)
    return Bar(name, kind, min(left, BAR - width), width, offset, seconds, share)


def draw_stages(call: KeptCall) -> list[Bar]:
    """Draws the stages of a call."""
    return [draw_bar(each.name, each.name, each.offset, each.seconds, call.seconds) for each in call.stages]


def draw_tries(batch: KeptBatch, whole: float, begun: float = 0.0) -> list[Bar]:
    """Draws the attempts of a batch within something that took `whole` seconds, and began so much before the batch."""
    return [
        replace(
            draw_bar(f"try at {each.node}", "fault" if each.fault else "try", begun + each.offset, each.seconds, whole),
            fault=each.fault,
        )
        for each in batch.tries
    ]


def draw_call(call: KeptCall, batches: Sequence[KeptBatch]) -> list[Bar]:
    """Draws a call: its stages, and within the inference the batches that carried it, with their tries."""
    bars = draw_stages(call)
    inner: list[Bar] = []
    for batch in batches:
        begun = (batch.start_ns - call.start_ns) / NS
        note = f"{batch.rows} rows of {batch.calls} calls"
        bar = draw_bar("batch", "batch", begun, batch.seconds, call.seconds)
        inner.append(replace(bar, depth=1, trace=batch.trace, note=note, fault=batch.failed))
        inner += (replace(each, depth=2) for each in draw_tries(batch, call.seconds, begun))
    at = next((number for number, bar in enumerate(bars, 1) if bar.kind == "inference"), len(bars))
    return [*bars[:at], *inner, *bars[at:]]
