"""Candles in the shapes of other tools: data frames, lists, files."""

from rxcandles.frames.exporting import BY, FORMATS, Exported, export_candles
from rxcandles.frames.making import in_batches, to_arrow, to_pandas, to_polars
from rxcandles.frames.shapes import to_ccxt, to_freqtrade, to_pyupbit

__all__ = [
    "BY",
    "FORMATS",
    "Exported",
    "export_candles",
    "in_batches",
    "to_arrow",
    "to_ccxt",
    "to_freqtrade",
    "to_pandas",
    "to_polars",
    "to_pyupbit",
]
