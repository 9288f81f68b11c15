"""What telemetry costs, whether its counts are exact, and what calls notice of a collector that fails."""

from benchmarks.measuring.measurement import Pace
from benchmarks.telemetry import cost, exactness, outages, throughput

THOROUGH, QUICK = Pace(rounds=7, seconds=5.0, warm_up_seconds=1.0), Pace(rounds=2, seconds=1.0, warm_up_seconds=0.5)
PARTS = {
    "cost": cost.measure,
    "throughput": throughput.measure,
    "exactness": exactness.measure,
    "outages": outages.measure,
}
