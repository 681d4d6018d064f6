"""Candles from elsewhere: files and tables of other tools, checked, and stored as imported, never as proven."""

from rxcandles.importing.comparing import ImportCheck, check_imported
from rxcandles.importing.importer import FORMATS, ImportReport, import_candles

__all__ = ["FORMATS", "ImportCheck", "ImportReport", "check_imported", "import_candles"]
