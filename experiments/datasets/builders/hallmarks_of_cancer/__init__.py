"""Hallmarks of Cancer."""
