"""The comparison: every loss tuned with one budget, judged on test with honest statistics."""
