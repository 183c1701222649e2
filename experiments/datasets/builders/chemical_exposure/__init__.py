"""Chemical exposure information."""
