"""Binance's adapter: what it asks for, what its pages prove, and what goes through all modes."""

from __future__ import annotations

import logging
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rxcandles
from rxcandles import RequestError, Timeframe, UnknownMarketError
from rxcandles.engine.checks import check_page
from rxcandles.errors import InvalidResponseError
from rxcandles.exchanges import named
from rxcandles.exchanges.binance import BinanceExchange
from rxcandles.model.timeframe import to_datetime
from tests.support.binance import END, LISTED, MINUTE, OUTAGE, Memory, minutes
from tests.support.virtualloop import run_virtual

FRAME = Timeframe.of("1m")
ODD = 1_518_168_494  # 2018-02-09, the first open time after an outage, with 789 ms


async def test_what_is_asked():
    """The end is one millisecond before what is not wanted, there is no start, and a page has room for odd rows."""
    exchange = Memory()
    await exchange.page("BTCUSDT", FRAME, END, 100)
    address = urlsplit(exchange.asked[0])
    assert address.path == "/api/v3/klines"
    assert parse_qs(address.query) == {
        "symbol": ["BTCUSDT"],
        "interval": ["1m"],
        "endTime": [str(END * 1000 - 1)],
        "limit": ["108"],
    }


@pytest.mark.parametrize(
    ("name", "interval"), [("60m", "1h"), ("240m", "4h"), ("1d", "1d"), ("1w", "1w"), ("1M", "1M")]
)
async def test_intervals(name: str, interval: str):
    """Timeframes are asked for by Binance's names of them, and months are not minutes."""
    exchange = Memory()
    page = await exchange.page("BTCUSDT", Timeframe.of(name), END, 1000)
    assert f"interval={interval}&" in exchange.asked[0]
    assert page.history_starts
    assert check_page(page, symbol="BTCUSDT", timeframe=Timeframe.of(name), to=END, count=1000).rows == page.rows


@pytest.mark.parametrize("name", ["10m", "1y"])
def test_what_it_has_not(name: str):
    """A timeframe that Binance has not is refused with those that it has, before anything is sent."""
    with pytest.raises(RequestError, match=r"Binance has no such candles; take one of 1s, 1m, .* 1M"):
        BinanceExchange().check("BTCUSDT", Timeframe.of(name))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("KRW-BTC", "BTCUSDT"), ("BTC/USDT", "BTCUSDT"), ("BTC-USDT", "BTCUSDT"), ("btcusdt", "BTCUSDT"),
        ("usdt_btc", "BTCUSDT"), ("BTC", "BTCUSDT"), ("ETH-BTC", "ETHBTC"), ("BTC-ETH", "ETHBTC"),
        ("BTC/USD", "BTCUSDT"), ("ethkrw", "ETHUSDT"),
    ],
)  # fmt: skip
def test_symbols_of_others(written: str, meant: str):
    """A market in another spelling is refused with the code that it seems to mean, which is then taken."""
    with pytest.raises(RequestError) as caught:
        BinanceExchange().check(written, FRAME)
    assert f"did you mean {meant!r}?" in str(caught.value)
    BinanceExchange().check(meant, FRAME)


def test_symbols():
    """Codes with digits and of other letters are Binance's own; a timeframe is none."""
    for symbol in ("1000SATSUSDT", "BTCUSDT", "币安人生USDT", "SBTC"):
        BinanceExchange().check(symbol, FRAME)
    for symbol in ("1M", "BTC USDT", "BTCUSDT*", "../BTCUSDT", ""):
        with pytest.raises(RequestError):
            BinanceExchange().check(symbol, FRAME)


async def test_zero_volume():
    """Where nobody traded there is a candle of volume 0, which is kept and says so."""
    async with rxcandles.connect(":memory:", exchange=Memory()) as provider:
        candles = await provider.get_candles("BTCUSDT", "1m", to=to_datetime(END), end=to_datetime(END - 70 * MINUTE))
    assert len(candles) == 70
    quiet = [each for each in candles if each.volume == 0]
    assert len(quiet) == 10
    assert not any(each.traded for each in quiet)
    assert all(each.traded for each in candles if each.volume)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_off_grid(data: st.DataObject):
    """Rows between two slots are left out, wherever they lie: a page has all that it covers, and gets on."""
    end = ODD - ODD % MINUTE
    times = minutes(end - 60 * MINUTE, end, (end - 40 * MINUTE, end - 30 * MINUTE))
    exchange = Memory(times, now=end + 30)
    odd = data.draw(st.lists(st.integers((end - 60 * MINUTE) * 1000, end * 1000 - 1), max_size=9, unique=True))
    exchange.opens = sorted({*exchange.opens, *odd})
    count = data.draw(st.integers(1, 30))

    async def scenario() -> list[int]:
        to, found = end, []
        while to > 0:
            page = await exchange.page("BTCUSDT", FRAME, to, count)
            checked = check_page(page, symbol="BTCUSDT", timeframe=FRAME, to=to, count=count)
            start, stop = checked.covered
            assert [row.open_time for row in checked.rows] == exchange.times(start, stop)
            assert start < to
            found += [row.open_time for row in checked.rows]
            to = start
        return found

    assert run_virtual(scenario()) == exchange.times(0, end)


async def test_off_grid_of_today():
    """A page of 2019 or later of which most rows are off the grid is refused: it is no outage, and nothing is kept.

    A few such rows among others are left out, as those of 2017 are.
    """
    exchange = Memory()
    exchange.opens = sorted([*exchange.opens, (END - 5 * MINUTE) * 1000 + 789])
    page = await exchange.page("BTCUSDT", FRAME, END, 10)
    assert [row.open_time for row in page.rows] == exchange.times(page.rows[-1].open_time, END)
    exchange.opens = [each + 789 for each in exchange.opens]
    with pytest.raises(InvalidResponseError, match="a candle opens at .*, in the middle of a slot"):
        await exchange.page("BTCUSDT", FRAME, END, 10)


async def test_off_grid_is_told(caplog: pytest.LogCaptureFixture):
    """A page with rows off the grid says so once, with how many there are; its span is covered, and none is stored."""
    exchange = Memory([ODD - ODD % MINUTE + at * MINUTE for at in (-3, -2, 1, 2)], now=ODD + 900)
    exchange.opens = sorted([*exchange.opens, ODD * 1000 + 789, ODD * 1000 + 60_789])
    stop = ODD - ODD % MINUTE + 3 * MINUTE
    with caplog.at_level(logging.WARNING, "rxcandles"):
        async with rxcandles.connect(":memory:", exchange=exchange) as provider:
            candles = await provider.get_candles("BTCUSDT", "1m", count=10, to=to_datetime(stop))
            held = await provider.repository.coverage("BTCUSDT", FRAME, 0, stop)
    assert [each.open_seconds for each in candles] == exchange.times(0, stop)
    assert [(each.start, each.stop) for each in held] == [(0, stop)]
    [told] = [record for record in caplog.records if getattr(record, "event", "") == "off_grid"]
    assert (told.rows, told.open_time, told.symbol) == (2, "2018-02-09T09:29:14Z", "BTCUSDT")


async def test_first_open():
    """The first candle is found by one request, of one row; a market without any has none."""
    exchange = Memory()
    assert await exchange.first_open("BTCUSDT", FRAME) == LISTED
    assert exchange.asked == ["/api/v3/klines?symbol=BTCUSDT&interval=1m&startTime=0&limit=1"]
    assert await Memory([]).first_open("BTCUSDT", FRAME) is None


async def test_unknown_market():
    """A market that Binance has not is an error that says so, and what to do."""
    with pytest.raises(UnknownMarketError) as caught:
        await Memory().page("DOGE", FRAME, END, 1)
    said = str(caught.value)
    assert said.startswith("there is no market 'DOGE' at binance")
    assert "Invalid symbol. (code -1121)" in said
    assert "`rxcandles markets --exchange binance` lists them; did you mean 'DOGEUSDT'?" in said


async def test_weight():
    """What the server has counted in this minute goes to the limiter, in the unit of its limit."""
    exchange = Memory()
    exchange.used = 1234
    page = await exchange.page("BTCUSDT", FRAME, END, 10)
    assert (page.used, page.remaining, page.server_time) == (1234, None, END + 30)
    assert (exchange.page_cost(1000), BinanceExchange.limit.capacity, BinanceExchange.limit.kind) == (2, 6000, "fixed")


async def test_by_name():
    """It is known by its name, with what it declares; its candles have that name in a store."""
    kind = named("binance")
    assert kind is BinanceExchange
    assert (kind.name, kind.page_limit, kind.kind) == ("binance", 1000, "spot")
    async with rxcandles.connect(":memory:", exchange="binance") as provider:
        assert provider.repository.exchange == provider.exchange.name == "binance"
        assert provider.limiter.limit == BinanceExchange.limit


async def test_a_later_answer_wins(tmp_path, caplog: pytest.LogCaptureFixture):
    """A candle that comes again with other values takes the place of the one before, and is told and counted."""
    exchange, path = Memory(), tmp_path / "candles.db"
    span = {"to": to_datetime(END), "end": to_datetime(END - 50 * MINUTE)}
    async with rxcandles.connect(path, exchange=exchange) as provider:
        before = await provider.get_candles("BTCUSDT", "1m", **span)
        changed = END - 20 * MINUTE
        exchange.price[changed] = 5000.0
        with caplog.at_level(logging.INFO, "rxcandles"):
            summary = await provider.collect_candles_only("BTCUSDT", "1m", **span, refetch=True)
        after = await provider.get_candles("BTCUSDT", "1m", **span)
    told = [record for record in caplog.records if getattr(record, "event", "") == "revised"]
    assert [(record.open_time, record.symbol) for record in told] == [
        (str(before[19].candle_date_time_utc) + "Z", "BTCUSDT")
    ]
    assert [a.open_seconds for a, b in zip(before, after, strict=True) if a != b] == [changed]
    assert summary.revised_count == 1


async def test_outage():
    """A stretch without a candle is covered by the pages around it: what is older comes, and nothing is asked twice."""
    exchange = Memory()
    span = {"to": to_datetime(OUTAGE[1] + 600), "end": to_datetime(OUTAGE[0] - 600)}
    async with rxcandles.connect(":memory:", exchange=exchange) as provider:
        candles = await provider.get_candles("BTCUSDT", "1m", **span)
        asked = len(exchange.asked)
        again = await provider.get_candles("BTCUSDT", "1m", **span)
    assert [each.open_seconds for each in candles] == exchange.times(OUTAGE[0] - 600, OUTAGE[1] + 600)
    assert (list(again), len(exchange.asked)) == (list(candles), asked)
