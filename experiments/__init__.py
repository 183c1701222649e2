"""Experiments: the comparison of losses on real data. `python -m experiments --help`."""
