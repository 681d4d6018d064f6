"""Candles and their coverage in one SQLite file."""
