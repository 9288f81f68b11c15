"""What suites share: loads, contestants that alternate in rounds, CPU and memory of process trees, ratios, reports."""
