"""Rows as Binance has sent them, and rows that it never should."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxcandles import InvalidResponseError, RowWithTrades, Timeframe
from rxcandles.engine.checks import check_page
from rxcandles.exchanges.binance.decode import decode_klines, decode_markets
from rxcandles.ports import Market, Page
from tests.support.binance import END, MINUTE, kline

FRAME = Timeframe.of("1m")
MINUTE_2020 = (
    b'[[1588636800000,"8871.92000000","8888.00000000","8871.92000000","8887.62000000","47.66737000",1588636859999,'
    b'"423305.63773405",617,"25.94719700","230410.46415390","0"]]'
)
"""Asked with both ends at its open time (2020)."""
QUIET = (
    b'[[1681121460000,"0.1","0.1","0.1","0.1","0.00000000",1681121519999,"0.00000000",0,"0.00000000","0.00000000","0"]]'
)
"""A minute in which nobody traded."""


def test_a_row():
    """Prices, volume, turnover in the quote, when the candle closes, and what is said of trades: each in its place."""
    found = decode_klines(MINUTE_2020, FRAME, "a page")
    assert found.rows == [
        RowWithTrades(
            *(1588636800, 8871.92, 8888.0, 8871.92, 8887.62, 47.66737, 423305.63773405, 1588636859999),
            trades=617,
            taker_volume=25.947197,
            taker_turnover=230410.4641539,
        )
    ]
    assert (found.came, found.first_open, found.off_grid) == (1, 1588636800, [])


def test_a_row_without_trades():
    """It is a candle like any other."""
    [row] = decode_klines(QUIET, FRAME, "a page").rows
    page = check_page(Page([row]), symbol="X", timeframe=FRAME, to=row.open_time + 60, count=1)
    assert (page.rows, page.impossible, row.volume, row.turnover) == ([row], {}, 0.0, 0.0)


def test_more_columns():
    """A column that comes new stops nothing."""
    [row] = json.loads(MINUTE_2020)
    assert decode_klines(json.dumps([[*row, "new"]]).encode(), FRAME, "a page").rows


ODD = st.one_of(
    st.text(max_size=12), st.none(), st.booleans(), st.just("NaN"), st.just("1e999"), st.just([]), st.just({"a": 1})
)


@given(at=st.integers(0, 10), column=st.integers(1, 10).filter(lambda column: column != 6), value=ODD)
@settings(max_examples=30, deadline=None)
def test_a_value_that_is_none(at: int, column: int, value: Any):
    """A value that is no number costs its own candle and no other."""
    klines = [kline((END - number * MINUTE) * 1000) for number in range(11, 0, -1)]
    klines[at][column] = value
    try:
        rows = decode_klines(json.dumps(klines).encode(), FRAME, "a page").rows
    except InvalidResponseError as error:  # pragma: no cover - says which
        raise AssertionError(f"{value!r}: {error}") from error
    page = check_page(Page(rows), symbol="X", timeframe=FRAME, to=END, count=11)
    assert len(page.rows) == 11
    assert page.impossible.keys() <= {END - (11 - at) * MINUTE}
    for row, sent in zip(rows, reversed(klines), strict=True):
        if sent is not klines[at]:
            assert row[:8] == tuple(map(float, [sent[0] / 1000, *sent[1:6], sent[7], sent[6]]))


@pytest.mark.parametrize("body", [b"", b"[", b"{}", b"[[1]]", b'[["a","b"]]', b"\xff", b"[" * 100_000])
def test_no_page(body: bytes):
    """What is no page is an error with what was asked and how it begins."""
    with pytest.raises(InvalidResponseError, match=r"^the page: the answer is no page of candles"):
        decode_klines(body, FRAME, "the page")


def test_too_many_odd_values():
    """A page of which most rows are no candles is no page."""
    klines = [kline(END * 1000), *(["x"] * 12 for _ in range(3))]
    with pytest.raises(InvalidResponseError):
        decode_klines(json.dumps(klines).encode(), FRAME, "a page")


def test_markets():
    """All markets that have candles, with their two sides; those that are not yet traded have none."""
    symbols = [
        {"symbol": "ETHBTC", "status": "TRADING", "baseAsset": "ETH", "quoteAsset": "BTC", "filters": []},
        {"symbol": "BCCBTC", "status": "BREAK", "baseAsset": "BCC", "quoteAsset": "BTC"},
        {"symbol": "NEWUSDT", "status": "PRE_TRADING", "baseAsset": "NEW", "quoteAsset": "USDT"},
    ]
    body = json.dumps({"timezone": "UTC", "symbols": symbols}).encode()
    assert decode_markets(body, "all") == [Market("ETHBTC", "ETH/BTC"), Market("BCCBTC", "BCC/BTC (not traded now)")]
    with pytest.raises(InvalidResponseError, match="all: the answer is no list of markets"):
        decode_markets(b"[]", "all")
