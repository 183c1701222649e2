"""Benchmarks: `python -m experiments.benchmarks --help`."""
