"""Tags of a version that serving reads and writes."""

STATUS = "serving.status"
OVERRIDE = "serving.override"
LIVE, STANDBY = SERVED = ("live", "standby")  # statuses of the versions that are loaded
