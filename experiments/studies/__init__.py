"""Studies: `python -m experiments study NAME`."""
