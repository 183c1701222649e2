"""Reuters-21578."""
