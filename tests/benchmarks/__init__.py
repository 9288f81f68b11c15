"""Tests of what benchmarks compute, and that they run."""
