"""Where candles are kept."""

from rxcandles.stores.imports import Import, Taken
from rxcandles.stores.sqlite import SqliteStore
from rxcandles.stores.staging import Staging

__all__ = ["Import", "SqliteStore", "Staging", "Taken"]
