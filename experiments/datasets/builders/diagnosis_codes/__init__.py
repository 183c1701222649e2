"""Diagnosis codes of hospital stays."""
