"""Made-up markets: which slots trade, and what is in them."""

from __future__ import annotations

import hashlib
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import attrs
import msgspec
import pytest

from rxcandles.errors import RequestError
from rxcandles.model import Row
from rxcandles.model.timeframe import TIMEFRAMES, Timeframe
from rxcandles.simulator import DEFAULT_MARKETS, OUTAGES, Market
from rxcandles.simulator.printing import MinuteSeries

pytestmark = pytest.mark.exhaustive

DAY = 86_400
NOW = 1_790_000_000  # 2026-09-21T14:13:20Z
MINUTE = Timeframe.of("1m")


def served(market: Market, name: str, to: float = NOW + 1, count: int = 200, now: float = NOW) -> list[Row]:
    """The rows that a page holds, newest first, as a client reads them."""
    page = market.newest(Timeframe.of(name), to, count, now)
    candles = msgspec.json.decode(page.text)
    assert len(candles) == page.rows
    names = "opening_price high_price low_price trade_price candle_acc_trade_volume candle_acc_trade_price timestamp"
    more = "prev_closing_price change_price change_rate"
    return [
        Row._make(
            [
                datetime.fromisoformat(f"{candle['candle_date_time_utc']}Z").timestamp(),
                *(candle[field] for field in names.split()),
                *(candle.get(field) for field in more.split()),
            ]
        )
        for candle in candles
    ]


@pytest.mark.parametrize("timeframe", TIMEFRAMES, ids=str)
@pytest.mark.parametrize("market", DEFAULT_MARKETS, ids=lambda market: market.symbol)
def test_pages_hold_the_truth(market: Market, timeframe: Timeframe) -> None:
    """Pages, one after the other, hold just the rows that ``rows`` tells of, float for float."""
    paged: list[Row] = []
    to: float = NOW + 1
    for _ in range(3):
        page = served(market, timeframe.name, to)
        paged += page
        if len(page) < 200:
            break
        to = page[-1].open_time
    start = 0 if len(page) < 200 else paged[-1].open_time
    assert paged or market.density < 1
    assert paged == market.rows(timeframe, start, NOW + 1, now=NOW)[::-1]


@pytest.mark.parametrize("market", DEFAULT_MARKETS, ids=lambda market: market.symbol)
def test_candles_are_sound(market: Market) -> None:
    """Low and high enclose the other prices, all are above zero, and slots lie on the grid within the listing."""
    for timeframe in TIMEFRAMES:
        start = max(market.listed, NOW - 5000 * (timeframe.seconds or 20 * DAY))
        rows = market.rows(timeframe, start, NOW)
        assert [row for row in rows if not 0 < row.low <= min(row.open, row.close)] == []
        assert [row for row in rows if not max(row.open, row.close) <= row.high] == []
        assert [row for row in rows if not (row.volume > 0 and row.turnover > 0)] == []
        opens = [row.open_time for row in rows]
        assert opens == sorted({timeframe.floor(time) for time in opens})
        # Two decimals of the quotient are enough: volumes are rounded to 8.
        assert [row for row in rows if not row.low * 0.99 <= row.turnover / row.volume <= row.high * 1.01] == []


def test_krw_prices_are_whole() -> None:
    """From 1,000 KRW up prices are whole, also in the candle that is still forming."""
    market = Market("KRW-ETH", base_price=4_000_000)
    rows = market.rows("1m", NOW - DAY, NOW + 1, now=NOW + 0.123)
    assert [row for row in rows if any(price % 1 for price in row[1:5])] == []


def test_tiny_prices_in_e_notation() -> None:
    """Prices below a millionth are printed in E-notation."""
    market = next(market for market in DEFAULT_MARKETS if market.symbol == "BTC-PEPE")
    text = market.newest(MINUTE, NOW, 200, NOW).text
    assert 200 == len(re.findall(r'"opening_price":\d(?:\.\d)?E-7,', text))


@pytest.mark.parametrize("density", [1.0, 0.998, 0.95, 0.5, 0.3, 0.02, 0.001])
def test_density(density: float) -> None:
    """About that share of the minutes has a candle; all of them where it is 1."""
    slots = int(4_000 / density)
    rows = Market("KRW-X", density).rows("1m", NOW // 60 * 60 - slots * 60, NOW // 60 * 60)
    assert 4_000 == pytest.approx(len(rows), abs=0 if density == 1 else 200)


def test_no_density_no_candle() -> None:
    """A market of density 0 is listed and never trades."""
    market = Market("KRW-X", 0)
    assert ("[]", 0) == market.newest(MINUTE, NOW, 200, NOW)
    assert [] == market.rows("1m", 0, NOW)
    assert market.known(NOW)


def test_thin_markets_have_long_gaps() -> None:
    """Candles of a thin market are spread as chance would: some neighbours, some gaps of hundreds of slots."""
    opens = [row.open_time for row in Market("KRW-X", 0.02).rows("1m", NOW - 50 * DAY, NOW)]
    gaps = [(after - before) // 60 for before, after in zip(opens, opens[1:], strict=False)]
    assert 1 == min(gaps)
    assert 200 < max(gaps) < 1000


def test_same_in_every_process() -> None:
    """Another process with another hash seed makes the same candles, text for text."""
    program = (
        "import hashlib; from rxcandles.simulator import DEFAULT_MARKETS as markets;"
        "from rxcandles.model.timeframe import TIMEFRAMES as frames;"
        f"print(hashlib.md5(''.join(m.newest(f, {NOW - DAY}, 200, {NOW}).text for m in markets for f in frames)"
        ".encode()).hexdigest())"
    )
    root = Path(__file__).parents[2]
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    here = "".join(m.newest(f, NOW - DAY, 200, NOW).text for m in DEFAULT_MARKETS for f in TIMEFRAMES)
    assert {hashlib.md5(here.encode()).hexdigest()} == found


def test_slot_decides_alone() -> None:
    """A candle is the same whatever was asked before, and whatever the market's listing and halts are."""
    market = Market("KRW-X", 0.9)
    whole = {row.open_time: row for row in market.rows("1m", NOW - 2 * DAY, NOW)}
    other = Market("KRW-X", 0.9, listed=NOW - DAY, halts=((NOW - 7200, NOW - 3600),))
    some = other.rows("1m", NOW - 2 * DAY, NOW)
    assert 1000 < len(some)
    assert some == [whole[row.open_time] for row in some]


def test_seed() -> None:
    """Another seed, or another symbol, makes another market."""
    rows = {
        tuple(market.rows("1m", NOW - 3600, NOW))
        for market in (Market("KRW-X"), Market("KRW-X", seed=1), Market("KRW-Y"))
    }
    assert 3 == len(rows)


def test_listing() -> None:
    """The first candle is that of the slot of the listing; a page asked before it is empty."""
    market = Market("KRW-X", listed=1_506_308_400)
    for name, first in (("1m", 1_506_308_400), ("60m", 1_506_308_400), ("240m", 1_506_297_600), ("1d", 1_506_297_600)):
        assert first == market.rows(name, 0, 1_507_000_000)[0].open_time
        assert ("[]", 0) == market.newest(Timeframe.of(name), first, 200, NOW)
        assert 1 == market.newest(Timeframe.of(name), first + 1, 200, NOW).rows
    assert [False, True] == [market.known(1_506_308_399), market.known(1_506_308_400)]


def test_delisting() -> None:
    """No candle opens from the delisting on, when the market is unknown."""
    market = Market("KRW-X", delisted=NOW - DAY)
    assert NOW // 60 * 60 - DAY == market.rows("1m", NOW - 2 * DAY, NOW)[-1].open_time
    assert [True, False] == [market.known(NOW - DAY - 1), market.known(NOW - DAY)]


def test_halts() -> None:
    """A slot that lies in a halt has no candle on any timeframe; one that reaches out of it has."""
    start, stop = OUTAGES[0]
    market = Market("KRW-X", halts=OUTAGES)
    assert [] == market.rows("1m", start, stop)
    assert [] == market.rows("240m", start, stop)
    assert 1 == len(market.rows("1d", start // DAY * DAY, stop))
    assert [start - 60, stop] == [row.open_time for row in market.rows("1m", start - 60, stop + 60)]
    late = Market("KRW-X", halts=((start + 30, stop + 30),))
    assert [start, stop] == [row.open_time for row in late.rows("1m", start, stop + 60)]


def test_seconds_are_kept_for_90_days() -> None:
    """1s candles older than 90 days are gone, however they are asked for."""
    market = Market("KRW-X")
    edge = NOW - 90 * DAY
    final = market.rows("1s", edge - 60, edge + 60)
    kept = [row for row in final if row.open_time >= edge]
    assert 0 < len(kept) < len(final)
    assert kept[::-1] == served(market, "1s", edge + 60)
    assert kept == market.rows("1s", edge - 60, edge + 60, now=NOW)
    assert [] == served(market, "1s", edge)
    assert 200 == len(served(market, "1m", edge))


def test_late_timestamps() -> None:
    """About 2 % of the timestamps pass the slot's end, by less than 2 s; the rest lie shortly before it."""
    rows = Market("KRW-X").rows("1m", NOW - 14 * DAY, NOW)
    after = [row.timestamp - (row.open_time + 60) * 1000 for row in rows]
    assert 0.02 == pytest.approx(sum(late >= 0 for late in after) / len(rows), abs=0.005)
    assert -5000 <= min(after)
    assert max(after) < 2000


def test_forming_candle_grows() -> None:
    """The candle of the running slot begins with its first second that trades, grows with each and ends as it stays."""
    market = Market("KRW-X")
    start = NOW // 60 * 60
    seconds = market.rows("1s", start, start + 60)
    assert 2 < len(seconds)
    moments = [row.open_time + after for row in seconds for after in (0.001, 0.999)]
    states = [market.rows("1m", start, start + 1, now=moment)[0] for moment in moments]
    final = market.rows("1m", start, start + 1)[0]
    for before, later in zip(states, [*states[1:], final], strict=True):
        assert before.open == later.open
        assert before.high <= later.high
        assert before.low >= later.low
        assert 0 < before.volume <= later.volume
        assert 0 < before.turnover <= later.turnover
        assert before.timestamp <= later.timestamp
        assert before.low <= before.close <= before.high
    assert len(seconds) < len({state.volume for state in states})
    assert states[2] == market.rows("1m", start, start + 1, now=moments[2])[0]
    assert [] == market.rows("1m", start, start + 1, now=seconds[0].open_time - 0.001)
    assert [final] == market.rows("1m", start, start + 1, now=start + 60)
    assert [final] == served(market, "1m", start + 1, 1, now=start + 60)


def test_forming_candle_only_where_the_slot_trades() -> None:
    """No candle forms in a slot that does not trade or has not traded yet, and none is seen before its slot begins."""
    market = Market("KRW-X", 0.5)
    opens = {row.open_time for row in market.rows("1m", NOW - 21_600, NOW)}
    some_late = False
    for minute in range(NOW // 60 * 60 - 20_000 // 60 * 60, NOW // 60 * 60, 60):
        traded = market.rows("1s", minute, minute + 31)
        some_late |= not traded and minute in opens
        newest = served(market, "1m", minute + 120, 1, now=minute + 30)[0].open_time
        assert max(time for time in opens if time < minute or (time == minute and traded)) == newest
    assert some_late


def test_to_does_not_cut_a_candle() -> None:
    """A ``to`` within a slot gives the slot's candle whole, as the exchange does."""
    market = Market("KRW-X")
    day = NOW // DAY * DAY - 5 * DAY
    assert market.rows("1d", day, day + 1) == served(market, "1d", day + 3600, 1)


def test_days_follow_on() -> None:
    """The previous closing price of a day is the close of the day candle before it that exists."""
    rows = Market("KRW-X", 0.4).rows("1d", 0, NOW)
    assert len(rows) > 1000
    assert [row.close for row in rows[:-1]] == [row.prev_closing_price for row in rows[1:]]
    assert rows[0].open == rows[0].prev_closing_price
    assert [row.close - (row.prev_closing_price or 0) for row in rows] == [row.change_price for row in rows]


KINDS = {"1s": "seconds", "1m": "minutes", "1d": "days", "1w": "weeks", "1M": "months", "1y": "years"}


@pytest.mark.parametrize(("name", "kind"), KINDS.items())
def test_form_of_recorded_bytes(name: str, kind: str, recorded: Path, form: Callable[[str], list[object]]) -> None:
    """Fields, their order and the text of their numbers are those of the body that was recorded."""
    body = next(recorded.glob(f"upbit_raw_bytes_{kind}_*.json")).read_text()
    page = Market("KRW-BTC").newest(Timeframe.of(name), NOW - DAY, 3, NOW).text
    rows = form(page)
    # The exchange prints five decimals of a turnover, then zeros; digits are all the same to `form`.
    assert form(body) == rows[:1]
    assert [] == [row for row in rows if row != rows[0]]
    assert re.search(r'"candle_acc_trade_price":\d+\.\d{5}000,', page)
    assert " " not in page


def test_bounded_caches() -> None:
    """Paging through years keeps no more than some days and blocks of days."""
    market = Market("KRW-X", 0.02, listed=0)
    for name, pages in (("1m", 100), ("60m", 100), ("1d", 100)):
        to: float = NOW
        for _ in range(pages):
            to = served(market, name, to)[-1].open_time
    base = market._base()
    minutes = market._series(MINUTE)
    assert isinstance(minutes, MinuteSeries)
    kept = [base.minutes, base._block, base._totals, base.prices.pattern, minutes.printed]
    kept += [market._series(Timeframe.of(name)).piece for name in ("60m", "1d")]
    assert [8, 8, 8, 8, 4, 512] == [cache.cache_info().currsize for cache in kept if cache is not base.prices.pattern]
    assert base.prices.pattern.cache_info().currsize <= 128


def test_pickle_and_evolve() -> None:
    """A market can be sent to another process, and changed in part."""
    market = Market("KRW-X", 0.7, halts=((5, 9), (1, 6)), english_name="X")
    assert ((1, 9),) == market.halts
    assert market == pickle.loads(pickle.dumps(market))
    assert 0.7 == attrs.evolve(market, seed=5).density


@pytest.mark.parametrize(
    "arguments",
    [
        {"density": 1.5},
        {"density": -0.1},
        {"density": 1e-7},
        {"density": float("nan")},
        {"base_price": 0},
        {"base_price": float("inf")},
        {"listed": -1},
        {"symbol": "KRW BTC"},
    ],
)
def test_bad_arguments(arguments: dict[str, object]) -> None:
    """Arguments out of bounds are refused by name and value."""
    with pytest.raises(RequestError, match=next(iter(arguments))):
        Market(**{"symbol": "KRW-X", **arguments})  # type: ignore[arg-type]
