"""What is shipped for Prometheus and Grafana, under their own tools."""
