"""Stores: where candles and their coverage are kept."""

from rxcandles.stores.sqlite import SqliteStore
from rxcandles.stores.sqlite.import_sql import Import, Taken
from rxcandles.stores.sqlite.staging import Staging

__all__ = ["Import", "SqliteStore", "Staging", "Taken"]
