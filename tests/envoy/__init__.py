"""The protected edge: a real Envoy before real workers."""
