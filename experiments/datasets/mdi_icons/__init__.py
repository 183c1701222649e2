"""Material Design icons."""
