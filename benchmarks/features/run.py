"""What stored features cost a call and a lookup, what callers notice of a Redis in trouble, and what Feast costs."""

from benchmarks.features import feast, outages, reading, typed
from benchmarks.measuring.measurement import Pace

THOROUGH, QUICK = Pace(rounds=7, seconds=4.0, warm_up_seconds=0.5), Pace(rounds=3, seconds=1.0, warm_up_seconds=0.3)
PARTS = {"typed": typed.measure, "reading": reading.measure, "outages": outages.measure, "feast": feast.measure}
