"""Mulan's multilabel sets."""
