"""Delicious MIL."""
