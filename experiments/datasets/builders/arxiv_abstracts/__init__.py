"""arXiv abstracts."""
