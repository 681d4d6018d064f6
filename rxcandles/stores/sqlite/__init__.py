"""Candles and their coverage in one SQLite file."""

from rxcandles.stores.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
