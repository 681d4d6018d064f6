"""freqtrade: ``BTC_KRW-1h.feather``, in a folder for each exchange."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rxcandles.interchange.columns import schema_of
from rxcandles.interchange.frames import to_pandas
from rxcandles.interchange.output import Contents, Format, write_feather
from rxcandles.interchange.tools.tool import Tool
from rxcandles.interchange.vocabulary.statements import Statement
from rxcandles.interchange.vocabulary.words import exchange_called
from rxcandles.model import CandleData
from rxcandles.model.pairs import base_and_quote
from rxcandles.modes.sequence import Columns

if TYPE_CHECKING:
    import pandas

__all__ = ["COLUMNS", "TOOL", "freqtrade_file", "to_freqtrade"]

COLUMNS: Final = {
    "date": "open_time", "open": "open", "high": "high", "low": "low", "close": "close", "volume": "volume",
}  # fmt: skip
"""Its names of columns, and ours."""

_FRAMES: Final = {"60m": "1h", "240m": "4h", "1M": "1Mo"}
"""Its names of timeframes in file names, if they differ from ours."""

_FILE: Final = re.compile(
    r"([A-Za-z0-9]+)_([A-Za-z0-9]+)(?:_([A-Za-z0-9]+))?-(?:(\d+(?:Mo|[smhdwMy]))(?:-([A-Za-z_]+))?|(trades))(?![A-Za-z0-9]).*"
)
_FOLDER: Final = ("user_data", "data")
"""The folder in which it has a folder for each exchange."""
_OTHERS: Final = {
    "futures": "the candles of a futures contract",
    "mark": "mark prices",
    "index": "index prices",
    "premiumIndex": "premiums",
    "funding_rate": "funding rates",
}


def freqtrade_file(symbol: str, timeframe: str) -> str:
    """Return the name of freqtrade's file for a series: ``BTC_KRW-1h.feather`` for ``KRW-BTC`` and ``60m``."""
    parts = base_and_quote(symbol)
    return f"{symbol if parts is None else '_'.join(parts)}-{_FRAMES.get(timeframe, timeframe)}.feather"


def to_freqtrade(candles: Sequence[CandleData]) -> pandas.DataFrame:
    """Return the candles of one series as freqtrade's frames have them, oldest first.

    The columns are ``date`` (``datetime64[ms, UTC]``, as freqtrade reads its files) and ``open``, ``high``, ``low``,
    ``close``, ``volume`` (``float64``); the index counts from 0. For a file, use :func:`export_candles` with
    ``file_format="freqtrade"``. Errors are those of :func:`to_pandas`.

    >>> list(to_freqtrade(candles).columns)
    ['date', 'open', 'high', 'low', 'close', 'volume']
    """
    theirs = {ours: name for name, ours in COLUMNS.items()}
    frame = to_pandas(candles).reset_index().rename(columns=theirs)[list(COLUMNS)]
    return frame.astype({"date": "datetime64[ms, UTC]"})


def _write(path: Path, contents: Contents, pages: Iterable[Columns]) -> None:
    schema = schema_of(COLUMNS.values(), contents.metadata)
    for at, name in enumerate(COLUMNS):
        schema = schema.set(at, schema.field(at).with_name(name))
    write_feather(path, schema, (page[: len(COLUMNS)] for page in pages))


class _Freqtrade(Tool):
    name = "freqtrade"
    is_format = True
    export = Format(_write, keeps_proven=False, file_name=freqtrade_file)

    def by_name(self, name: str) -> Statement | None:
        """``BTC_KRW-1h.feather``; also futures, and files of other data than candles."""
        match = _FILE.fullmatch(name)
        if not match:
            return None
        base, quote, settled, frame, kind, trades = match.groups()
        market = f"{quote}-{base}"
        unfit = "trades" if trades else _OTHERS.get(kind, kind) if kind else _OTHERS["futures"] if settled else None
        return Statement("by its name", market, frame, unfit=unfit and f"{unfit} ({market})")

    def by_folder(self, path: Path) -> Statement | None:
        """``user_data/data/upbit`` names the exchange."""
        *_, parent, folder, name = ("", "", *path.parts[:-1])
        exchange = exchange_called(name) if (parent, folder) == _FOLDER else None
        return Statement("by its folder", exchange=exchange) if exchange else None


TOOL: Final = _Freqtrade()
