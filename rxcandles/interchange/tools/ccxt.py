"""ccxt: lists of lists, as its ``fetch_ohlcv`` returns them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rxcandles.interchange.columns import column_names, columns_of
from rxcandles.interchange.tools.tool import Tool
from rxcandles.interchange.vocabulary.column_names import NEEDED
from rxcandles.model import CandleData

__all__ = ["COLUMNS", "TOOL", "to_ccxt"]

COLUMNS: Final = NEEDED
"""The values of a list; the first is in milliseconds."""


def to_ccxt(candles: Sequence[CandleData]) -> list[list[float]]:
    """Return the candles of one series as ccxt's ``fetch_ohlcv`` does, oldest first.

    Each candle is a list: ``[open time in ms, open, high, low, close, volume]``. The result takes about 250 bytes a
    candle.

    Raises:

    * ``RequestError`` if the candles are of several series.
    * ``StoreError`` if the database of a sequence can't be read.

    >>> to_ccxt(candles)[0]
    [1704067200000, 85904000.0, 85916000.0, 85861000.0, 85871000.0, 0.17053664]
    """
    column_names(candles)
    return [
        [seconds * 1000, *prices]
        for page in columns_of(candles)
        for seconds, *prices in zip(*page[: len(COLUMNS)], strict=True)
    ]  # fmt: skip


class _Ccxt(Tool):
    name = "ccxt"
    is_format = True
    kind = "json"


TOOL: Final = _Ccxt()
