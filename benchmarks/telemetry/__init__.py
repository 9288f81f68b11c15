"""What telemetry costs, whether its counts are exact, and what calls notice of a collector that fails."""
