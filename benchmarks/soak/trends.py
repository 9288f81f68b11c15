"""Where memory and latency tend to: slopes over calls, and the end over the beginning."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.measuring.ratios import percentile_ms
from benchmarks.soak.windows import Window

MILLION = 1e6
P99 = 0.99


def least_squares(x: Sequence[float], y: Sequence[float]) -> float:
    """Returns the slope of the line with the least squares of its errors."""
    return float(np.polyfit(x, y, 1)[0])


def theil_sen(x: Sequence[float], y: Sequence[float]) -> float:
    """Returns the median of the slopes between all pairs of points, which a few outliers do not move (Sen, 1968)."""
    first, second = np.triu_indices(len(x), 1)
    across, up = np.asarray(x), np.asarray(y)
    return float(np.median((up[second] - up[first]) / (across[second] - across[first])))


def memory_over_calls(windows: Sequence[Window]) -> tuple[list[float], list[float]]:
    """Returns millions of calls, and the gateway's memory then, in MB."""
    return [window.calls / MILLION for window in windows], [window.held.gateway_mb for window in windows]


def p99_ms(windows: Sequence[Window], load: str | None = None) -> float:
    """Returns the 99th percentile of the calls of windows together, of one load or of all."""
    return percentile_ms(joined(windows, load), P99)


def median_p99_ms(windows: Sequence[Window], load: str | None = None) -> float:
    """Returns the median of the windows' own 99th percentiles, which a stall of seconds does not move."""
    return float(np.median([p99_ms([window], load) for window in windows]))


def joined(windows: Sequence[Window], load: str | None) -> NDArray[np.float64]:
    """Returns how long the calls of windows took."""
    return np.concatenate(
        [taken for window in windows for name, taken in window.seconds.items() if load in (None, name)]
    )


def cpu_per_1000(windows: Sequence[Window]) -> float:
    """Returns CPU seconds per 1,000 calls of loads, of all stages."""
    used = sum(sum(window.cpu_seconds.values()) for window in windows)
    return used / max(sum(window.made for window in windows), 1) * 1000


def edges(windows: Sequence[Window], seconds: float) -> tuple[list[Window], list[Window]]:
    """Returns the windows of the first and of the last seconds."""
    first, last = windows[0].ended + seconds, windows[-1].ended - seconds
    return [each for each in windows if each.ended < first], [each for each in windows if each.ended > last]
