"""The shapes in which ccxt, freqtrade and pyupbit hand out candles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from rxcandles.interchange.columns import column_names, columns_of
from rxcandles.interchange.frames import to_pandas
from rxcandles.model import CandleData
from rxcandles.model.pairs import base_and_quote
from rxcandles.util.extras import need

if TYPE_CHECKING:
    import pandas

__all__ = ["FREQTRADE_COLUMNS", "freqtrade_file", "to_ccxt", "to_freqtrade", "to_pyupbit"]

FREQTRADE_COLUMNS: Final = ("date", "open", "high", "low", "close", "volume")

_HOURS: Final = {"60m": "1h", "240m": "4h", "1M": "1Mo"}
"""What freqtrade calls a timeframe in a file's name, where it is not our name."""

_PYUPBIT: Final = {"turnover": "value"}
_PYUPBIT_COLUMNS: Final = ("open", "high", "low", "close", "volume", "value")


def to_ccxt(candles: Sequence[CandleData]) -> list[list[float]]:
    """Return the candles of one series as ccxt's ``fetch_ohlcv`` does, oldest first, about 250 bytes each.

    Each is ``[open time in ms, open, high, low, close, volume]``. Raises :class:`RequestError` for candles of several
    series, and what reading a sequence does.
    """
    column_names(candles)
    return [
        [seconds * 1000, *prices]
        for page in columns_of(candles)
        for seconds, *prices in zip(*page[:6], strict=True)
    ]  # fmt: skip


def to_freqtrade(candles: Sequence[CandleData]) -> pandas.DataFrame:
    """Return the candles of one series as freqtrade's frames have them, oldest first.

    The columns are ``date`` (``datetime64[ms, UTC]``, as freqtrade reads its files), ``open``, ``high``, ``low``,
    ``close``, ``volume`` (``float64``); the index counts from 0. Raises what :func:`to_pandas` does.
    """
    frame = to_pandas(candles).reset_index().rename(columns={"open_time": "date"})[list(FREQTRADE_COLUMNS)]
    return frame.astype({"date": "datetime64[ms, UTC]"})


def to_pyupbit(candles: Sequence[CandleData]) -> pandas.DataFrame:
    """Return the candles of one series as pyupbit's ``get_ohlcv`` does, oldest first.

    The index has no name and holds Korean time (UTC+9) without a zone; the columns are ``open``, ``high``, ``low``,
    ``close``, ``volume``, ``value`` (``float64``), of which the last is ours as ``turnover``. Raises what
    :func:`to_pandas` does.
    """
    pandas = need("pandas", "pandas")
    frame = to_pandas(candles).rename(columns=_PYUPBIT)[list(_PYUPBIT_COLUMNS)]
    return frame.set_axis((frame.index + pandas.Timedelta(hours=9)).tz_localize(None).rename(None))


def freqtrade_file(symbol: str, timeframe: str) -> str:
    """Return the name of freqtrade's file for a series: ``BTC_KRW-1h.feather`` for ``KRW-BTC`` and ``60m``."""
    parts = base_and_quote(symbol)
    return f"{symbol if parts is None else '_'.join(parts)}-{_HOURS.get(timeframe, timeframe)}.feather"
