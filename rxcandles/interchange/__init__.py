"""Candles from and to other tools: data frames, lists, files of many formats."""

from rxcandles.interchange.frames import in_batches, to_arrow, to_pandas, to_polars
from rxcandles.interchange.reading.imported_check import ImportCheck, check_imported
from rxcandles.interchange.reading.importer import ImportReport, import_candles
from rxcandles.interchange.tools.ccxt import to_ccxt
from rxcandles.interchange.tools.freqtrade import to_freqtrade
from rxcandles.interchange.tools.pyupbit import to_pyupbit
from rxcandles.interchange.writing.export import BY, FORMATS, Exported, export_candles
from rxcandles.interchange.writing.formats import names_files

__all__ = [
    "BY",
    "FORMATS",
    "Exported",
    "ImportCheck",
    "ImportReport",
    "check_imported",
    "export_candles",
    "import_candles",
    "in_batches",
    "names_files",
    "to_arrow",
    "to_ccxt",
    "to_freqtrade",
    "to_pandas",
    "to_polars",
    "to_pyupbit",
]
