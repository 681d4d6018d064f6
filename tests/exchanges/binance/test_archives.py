"""Binance's own archives, imported as its own: their names say the market, and candles without a trade are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

import rxcandles
from rxcandles import SqliteStore
from rxcandles.cli.import_files import Asked, files_of
from rxcandles.errors import RequestError
from rxcandles.interchange.reading.file_names import series_of_name
from tests.support.binance import kline

OPENED = 1_704_153_600


def test_names() -> None:
    """``BTCUSDT-1m-2024-01.zip`` names a market of Binance's, and none of Upbit's."""
    path = Path("BTCUSDT-1m-2024-01.zip")
    assert series_of_name(path, "binance") == ("BTCUSDT", "1m")
    assert series_of_name(path) is None
    [found] = files_of(["BTCUSDT-1m-2024-01.zip"], None, None, "binance")
    assert found == Asked("BTCUSDT-1m-2024-01.zip", "BTCUSDT", "1m")


def test_what_is_lacking(tmp_path: Path) -> None:
    """Where a name says nothing, the market that is asked for is written as the exchange's own are."""
    (tmp_path / "mine.csv").touch()
    with pytest.raises(RequestError, match="give --symbol BTCUSDT and --timeframe 1m"):
        files_of([str(tmp_path / "mine.csv")], None, None, "binance")


@pytest.mark.parametrize(("exchange", "kept"), [("binance", 8), ("binance@mirror", 8), ("upbit", 7)])
async def test_no_trades(exchange: str, kept: int, tmp_path: Path) -> None:
    """A row without a trade is a candle on Binance, where every slot has one, and a filling elsewhere."""
    rows = [kline((OPENED + at * 60) * 1000) for at in range(8)]
    source = tmp_path / "candles.csv"
    source.write_text("\n".join(",".join(map(str, each)) for each in rows), encoding="utf-8")
    async with SqliteStore(":memory:", exchange=exchange) as store:
        report = await rxcandles.import_candles(store, "BTCUSDT", "1m", source)
    assert (report.new, report.empty) == (kept, 8 - kept)
