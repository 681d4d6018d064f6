"""Stores: where candles and their coverage are kept."""

from rxcandles.stores.sql.import_sql import Import, Taken
from rxcandles.stores.sql.staging import Staging
from rxcandles.stores.sql.store import SqlStore
from rxcandles.stores.sqlite.store import SqliteStore

__all__ = ["Import", "SqlStore", "SqliteStore", "Staging", "Taken"]
