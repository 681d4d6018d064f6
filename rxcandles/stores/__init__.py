"""Where candles are kept."""

from rxcandles.stores.sqlite import SqliteStore

__all__ = ["SqliteStore"]
