"""`gapura bench`: what an installation has of the benchmarks, which themselves stay in the repository."""
