"""A market that exists only here: its candles follow from its name, the timeframe, the slot and a seed.

``Market.rows`` is the truth that tests hold against what a client has collected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import lru_cache
from math import inf
from typing import Final, NamedTuple, Protocol

import attrs

from rxcandles.model import Row, RowWithTrades
from rxcandles.model.spans import Span, SpanSet
from rxcandles.model.timeframe import Timeframe
from rxcandles.simulator.base import Base
from rxcandles.simulator.dense import DenseSeries
from rxcandles.simulator.pattern import Quote
from rxcandles.simulator.printing import MinuteSeries
from rxcandles.simulator.series import END, Series
from rxcandles.simulator.text import RATE_SCALE, UNIT, Candle, change_rate
from rxcandles.util.arguments import (
    check_count,
    check_each,
    check_flag,
    check_kind,
    check_number,
    check_span,
    check_symbol,
    refusal,
)

__all__ = ["DEFAULT_MARKETS", "LISTED", "OUTAGES", "RETENTION_SECONDS", "Market", "Served", "Source", "parts"]

LISTED: Final = 1_506_308_400
"""2017-09-25T03:00Z, Upbit's first candle of KRW-BTC (seen 2026-09-13)."""

RETENTION_SECONDS: Final = 90 * 86_400
"""How far back ``1s`` candles go; Upbit keeps three months of them."""

OUTAGES: Final[tuple[Span, ...]] = ((1_701_619_200, 1_701_633_600), (1_783_270_800, 1_783_281_600))
"""2023-12-03T16:00Z to 20:00Z and 2026-07-05T17:00Z to 20:00Z, when no market of Upbit had a candle."""


_DOLLARS: Final = ("USDT", "USDC", "FDUSD", "USD1", "TUSD", "EUR")
_QUOTES: Final = (*_DOLLARS, "KRW", "TRY", "BTC", "ETH", "BNB")
"""What prices may be in, of symbols without a dash, such as BTCUSDT."""
_TIMEFRAMES: Final = 48
"""Timeframes of which series are kept."""


def parts(symbol: str) -> tuple[str, str]:
    """Return what is traded on a market and the money it is paid in: BTC and KRW of ``KRW-BTC``."""
    first, dash, second = symbol.partition("-")
    if dash:
        return second, first
    quote = next((each for each in _QUOTES if symbol.endswith(each) and symbol != each), "")
    return (symbol.removesuffix(quote), quote) if quote else (symbol, "USDT")


class Served(NamedTuple):
    """A page: a JSON array of candles, in the exchange's order, and how many they are."""

    text: str
    rows: int


class Source(Protocol):
    """What a simulator serves: a :class:`Market`, a :class:`~rxcandles.simulator.Replay`, or one of your own."""

    @property
    def symbol(self) -> str:
        """The market's code."""
        ...

    @property
    def english_name(self) -> str:
        """The market's English name."""
        ...

    @property
    def korean_name(self) -> str:
        """The market's Korean name."""
        ...

    def known(self, now: float) -> bool:
        """Whether the exchange knows the market at ``now``; where it doesn't, it answers 404."""
        ...

    def newest(self, timeframe: Timeframe, to: float, count: int, now: float) -> Served:
        """Return the newest ``count`` candles that open before ``to`` and exist at ``now``, newest first."""
        ...


def _halts(value: Iterable[Span]) -> tuple[Span, ...]:
    return SpanSet(tuple(check_each("halts", value, check_span))).spans


def _odd(value: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted(check_each("off_grid", value, lambda name, each: check_count(name, each, 0, END * 1000))))


def _own_symbol(market: Market) -> str:
    return market.symbol


@attrs.frozen
class Market:
    """One made-up market.

    There is one base series of minutes; all other candles are made of it, as the exchange makes them. ``density`` is
    the share of *1m* slots that trade, by chance each: 0, or 0.000001 to 1 (every one). A longer slot has a candle
    if one of its minutes trades, and a minute that trades has 1 to 60 seconds that do.

    ``listed`` and ``delisted`` are UTC seconds: the first minute is the one that ``listed`` lies in; none opens from
    ``delisted`` on, when the market becomes unknown for ever. ``halts`` are spans of UTC seconds: a minute that lies
    wholly inside one does not trade, and one that reaches out of it trades as ever. Prices stay around ``base_price``
    (half to twice), in whole numbers where it is 1,000 or more, but for dollars. The same arguments make the same
    candles in every process.

    ``dense`` is for exchanges that have a candle for each slot: from the first trade on, one in which nobody traded is
    flat, with a volume of 0, and only in ``halts`` there is none. Such exchanges keep ``1s`` candles for ever.
    ``off_grid`` are milliseconds in halts, at each of which a flat candle opens all the same, off every grid: what real
    exchanges left behind after outages. They are sent, and no part of the truth.

    Keeps what was made last, up to 10 MB: 8 days of minutes and their text, 4 days of each other timeframe below a day,
    512 candles of each from a day up, what is drawn for 1,024 days. :class:`RequestError` for arguments out of bounds.
    """

    symbol: str = attrs.field(validator=lambda _self, _field, value: check_symbol(value))
    density: float = 1.0
    listed: int = LISTED
    delisted: int | None = None
    halts: tuple[Span, ...] = attrs.field(default=(), converter=_halts)
    base_price: float = 100_000_000.0
    english_name: str = attrs.field(default=attrs.Factory(_own_symbol, takes_self=True))
    korean_name: str = attrs.field(default=attrs.Factory(_own_symbol, takes_self=True))
    seed: int = 0
    dense: bool = False
    off_grid: tuple[int, ...] = attrs.field(default=(), converter=_odd)
    _base: Callable[[], Base] = attrs.field(init=False, eq=False, repr=False)
    _series: Callable[[Timeframe], Series] = attrs.field(init=False, eq=False, repr=False)
    every_slot: Callable[[Timeframe], DenseSeries] = attrs.field(init=False, eq=False, repr=False)
    """The candles of all slots, whether ``dense`` or not."""

    def __attrs_post_init__(self) -> None:
        if check_number("density", self.density, 0, 1, what="a number") and self.density < 1e-6:
            raise refusal("density", self.density, "take 0, or a number from 0.000001 to 1")
        check_number("base_price", self.base_price, 1e-7, 1e12, what="a number")
        check_count("listed", self.listed, 0, END - 1)
        if self.delisted is not None:
            check_count("delisted", self.delisted, self.listed + 1)
        check_count("seed", self.seed, -(10**12))
        check_kind("english_name", self.english_name, str)
        check_kind("korean_name", self.korean_name, str)
        check_flag("dense", self.dense)
        for time in self.off_grid:
            if not any(start * 1000 <= time < stop * 1000 for start, stop in self.halts):
                raise refusal("off_grid", time, "take milliseconds within one of the halts")
        object.__setattr__(self, "_base", lru_cache(1)(self._make_base))
        object.__setattr__(self, "_series", lru_cache(_TIMEFRAMES)(self._make_series))
        object.__setattr__(self, "every_slot", lru_cache(_TIMEFRAMES)(self._make_dense))

    def __reduce__(self) -> tuple[object, ...]:
        # The caches can't be pickled, and another process has no use for them.
        return Market, tuple(getattr(self, field.name) for field in attrs.fields(Market) if field.init)

    def known(self, now: float) -> bool:
        """Whether the market is listed at ``now`` (UTC seconds)."""
        return self.listed <= now and (self.delisted is None or now < self.delisted)

    def newest(self, timeframe: Timeframe, to: float, count: int, now: float) -> Served:
        """Return the newest ``count`` candles with an open time before ``to``, newest first.

        The candle of the slot that ``now`` lies in is among them, with what it holds by then; ``1s`` candles of
        more than 90 days ago are not.
        """
        series, current = self._series(timeframe), timeframe.floor(now)
        forming = series.at(current, now) if count > 0 and current < to else None
        text, rows = series.page(_oldest(timeframe, now), min(to, current), count - (forming is not None))
        if forming:
            text, rows = f",{series.text(forming)}{text}", rows + 1
        return Served(f"[{text[1:]}]", rows)

    def rows(self, timeframe: str | Timeframe, start: float, stop: float, now: float | None = None) -> list[Row]:
        """Return the candles that open in ``[start, stop)``, oldest first: the truth a client has to find.

        The numbers are the floats nearest to the text that is sent. With ``now`` the rows are as they stand then,
        the last one forming; without it all are final and ``1s`` candles of any age are there.
        """
        frame = Timeframe.of(timeframe)
        if self.dense:
            return [_every_column(frame, candle) for candle in self.candles(frame, start, stop, now)]
        series = self._series(frame)
        if now is not None:
            start, stop = max(start, _oldest(frame, now)), min(stop, frame.floor(now) + 1)
        candles: list[Candle] = [*series.candles(start, stop)]
        if now is not None and start <= (current := frame.floor(now)) < stop:
            forming = series.at(current, now)
            candles = [*(each for each in candles if each.open_time < current), *([forming] if forming else [])]
        days = frame.name == "1d"
        return [_row(candle, series.previous_close(candle) if days else None) for candle in candles]

    def candles(self, timeframe: Timeframe, start: float, stop: float, now: float | None = None) -> list[Candle]:
        """Return the candles of all slots that open in ``[start, stop)``, oldest first, in whole numbers.

        As ``rows`` of a dense market, with the number of trades and what takers bought.
        """
        series = self.every_slot(timeframe)
        if now is None:
            return series.candles(start, stop)
        current = timeframe.floor(now)
        forming = series.at(current, now) if start <= current < stop else None
        return [*series.candles(start, min(stop, current)), *([forming] if forming else [])]

    @property
    def steps(self) -> tuple[int, int]:
        """The smallest steps of the price and of the volume, in 10^-8."""
        prices = self._base().prices
        return prices.tick, prices.lot

    def _make_dense(self, timeframe: Timeframe) -> DenseSeries:
        return DenseSeries(self._series(timeframe))

    def _make_series(self, timeframe: Timeframe) -> Series:
        kind = MinuteSeries if timeframe.seconds == 60 else Series
        return kind(self.symbol, timeframe, self._base())

    def _make_base(self) -> Base:
        start = self.listed // 60 * 60
        stop = END if self.delisted is None else min(-(-self.delisted // 60) * 60, END)
        share = Fraction(self.density).limit_denominator(1_000_000)
        price, quote = round(self.base_price * UNIT), _quote(self.symbol)
        return Base(f"{self.seed}|{self.symbol}", price, quote, share, (start, stop), self.halts, self.dense)


def _quote(symbol: str) -> Quote:
    if "-" in symbol:
        return "KRW" if symbol.startswith("KRW-") else "BTC"
    return "USD" if parts(symbol)[1] in _DOLLARS else "BTC"


def _row(candle: Candle, previous: int | None = None) -> Row:
    changes: tuple[float, float, float] | tuple[None, None, None] = (None, None, None)
    if previous is not None:
        rate = change_rate(candle.close, previous)
        changes = (previous / UNIT, (candle.close - previous) / UNIT, rate / 10**RATE_SCALE)
    return Row(
        candle.open_time,
        candle.open / UNIT,
        candle.high / UNIT,
        candle.low / UNIT,
        candle.close / UNIT,
        candle.volume / UNIT,
        candle.turnover / UNIT,
        candle.timestamp,
        *changes,
    )


def _every_column(timeframe: Timeframe, candle: Candle) -> RowWithTrades:
    """The row of an exchange that says of trades what it can, and when a candle closes, not its last trade."""
    closes = timeframe.shift(candle.open_time, 1) * 1000 - 1
    return RowWithTrades(
        *_row(candle._replace(timestamp=closes)),
        candle.trades, candle.taker_volume / UNIT, candle.taker_turnover / UNIT,
    )  # fmt: skip


def _oldest(timeframe: Timeframe, now: float) -> float:
    return now - RETENTION_SECONDS if timeframe.name == "1s" else -inf


DEFAULT_MARKETS: Final[tuple[Market, ...]] = (
    Market("KRW-BTC", 0.998, english_name="Bitcoin", korean_name="비트코인"),
    Market("KRW-ETH", base_price=4_000_000, english_name="Ethereum", korean_name="이더리움"),
    Market("KRW-XRP", 0.95, base_price=3_000, english_name="XRP", korean_name="엑스알피(리플)"),
    Market("KRW-DOGE", 0.3, base_price=300, english_name="Dogecoin", korean_name="도지코인"),
    Market("KRW-RARE", 0.02, base_price=45, english_name="Rarely Traded", korean_name="드문코인"),
    Market(
        "KRW-HALT",
        halts=((1_617_177_600, 1_617_235_200), (1_701_619_200, 1_701_633_600), (1_780_272_000, 1_781_136_000)),
        base_price=12_000,
        english_name="Halted At Times",
        korean_name="멈춤코인",
    ),
    Market("KRW-NEW", 0.9, listed=1_788_224_400, base_price=700, english_name="Newly Listed", korean_name="새코인"),
    Market("BTC-PEPE", 0.4, base_price=1.2e-7, english_name="Pepe", korean_name="페페"),
)
"""What a simulator serves unless told otherwise.

KRW-HALT has no candle 2021-03-31T08:00Z to 2021-04-01T00:00Z, 2023-12-03T16:00Z to 20:00Z and in ten days from
2026-06-01; KRW-NEW begins 2026-09-01T01:00Z; BTC-PEPE has prices below 10^-6, printed in E-notation.
"""
