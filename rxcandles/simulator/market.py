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

from rxcandles.model import Row
from rxcandles.model.spans import Span, SpanSet
from rxcandles.model.timeframe import TIMEFRAMES, Timeframe
from rxcandles.simulator.base import Base
from rxcandles.simulator.printing import MinuteSeries
from rxcandles.simulator.series import END, Series
from rxcandles.simulator.text import RATE_SCALE, UNIT, Candle, change_rate
from rxcandles.util.arguments import (
    check_count,
    check_each,
    check_kind,
    check_number,
    check_span,
    check_symbol,
    refusal,
)

__all__ = ["DEFAULT_MARKETS", "LISTED", "OUTAGES", "RETENTION_SECONDS", "Market", "Served", "Source"]

LISTED: Final = 1_506_308_400
"""2017-09-25T03:00Z, Upbit's first candle of KRW-BTC (seen 2026-09-13)."""

RETENTION_SECONDS: Final = 90 * 86_400
"""How far back ``1s`` candles go; Upbit keeps three months of them."""

OUTAGES: Final[tuple[Span, ...]] = ((1_701_619_200, 1_701_633_600), (1_783_270_800, 1_783_281_600))
"""2023-12-03T16:00Z to 20:00Z and 2026-07-05T17:00Z to 20:00Z, when no market of Upbit had a candle."""


class Served(NamedTuple):
    """A page: a JSON array of candles, newest first, and how many they are."""

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
    (half to twice), in whole numbers where it is 1,000 or more. The same arguments make the same candles in every
    process.

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
    _base: Callable[[], Base] = attrs.field(init=False, eq=False, repr=False)
    _series: Callable[[Timeframe], Series] = attrs.field(init=False, eq=False, repr=False)

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
        object.__setattr__(self, "_base", lru_cache(1)(self._make_base))
        object.__setattr__(self, "_series", lru_cache(len(TIMEFRAMES))(self._make_series))

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
        series = self._series(frame)
        if now is not None:
            start, stop = max(start, _oldest(frame, now)), min(stop, frame.floor(now) + 1)
        candles: list[Candle] = [*series.candles(start, stop)]
        if now is not None and start <= (current := frame.floor(now)) < stop:
            forming = series.at(current, now)
            candles = [*(each for each in candles if each.open_time < current), *([forming] if forming else [])]
        days = frame.name == "1d"
        return [_row(candle, series.previous_close(candle) if days else None) for candle in candles]

    def _make_series(self, timeframe: Timeframe) -> Series:
        kind = MinuteSeries if timeframe.seconds == 60 else Series
        return kind(self.symbol, timeframe, self._base())

    def _make_base(self) -> Base:
        start = self.listed // 60 * 60
        stop = END if self.delisted is None else min(-(-self.delisted // 60) * 60, END)
        share = Fraction(self.density).limit_denominator(1_000_000)
        price, in_krw = round(self.base_price * UNIT), self.symbol.startswith("KRW-")
        return Base(f"{self.seed}|{self.symbol}", price, in_krw, share, (start, stop), self.halts)


def _row(candle: Candle, previous: int | None) -> Row:
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
