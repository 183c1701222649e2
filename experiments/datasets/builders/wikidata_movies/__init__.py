"""Wikidata films."""
