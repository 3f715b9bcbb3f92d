"""Measurements: each is a command, and its results are dated records in `benchmarks/results/`."""
