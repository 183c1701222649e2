"""Holistic Video Understanding."""
