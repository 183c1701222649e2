"""Movie posters and plots."""
