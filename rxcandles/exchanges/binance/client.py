"""Binance spot over HTTP: klines, which come oldest first with both ends inclusive, as pages."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import ClassVar, Final
from urllib.parse import quote

from rxcandles.errors import ExchangeError, InvalidResponseError, UnknownMarketError
from rxcandles.events import OffGridEvent, log_event
from rxcandles.exchanges.answers import Answer, Refused, excerpt
from rxcandles.exchanges.binance.decode import Klines, decode_klines, decode_markets
from rxcandles.exchanges.binance.failures import error_code, failure, used_weight
from rxcandles.exchanges.binance.intervals import INTERVALS
from rxcandles.exchanges.binance.stream import BINANCE_STREAM, BinanceDialect
from rxcandles.exchanges.binance.symbols import joined, meant
from rxcandles.exchanges.headers import http_date
from rxcandles.exchanges.streams.streaming import StreamingExchange
from rxcandles.limiters import Limit
from rxcandles.model.naming import NAMED, address_of, is_own
from rxcandles.model.timeframe import BEGINNING, TIMEFRAMES, Timeframe, time_text
from rxcandles.ports import Market, Page, StreamRules
from rxcandles.ports.declared import AbsentSlot
from rxcandles.util.arguments import check_symbol, refusal

__all__ = ["BinanceExchange"]

_log: Final = logging.getLogger("rxcandles.fetch")

_NAMES: Final = {each.name for each in TIMEFRAMES} | {"1h", "4h"}
"""Timeframes, which may be written in place of a market."""
_STREAMS: Final = {
    **{f"api{number}.binance.com": "stream.binance.com:9443" for number in ("", 1, 2, 3, 4, "-gcp")},
    "data-api.binance.vision": "data-stream.binance.vision",
    "api.binance.us": "stream.binance.us:9443",
}
"""Where the streams of its own servers are, by their address (documented)."""
_LIST: Final = 8
"""How many times as long as ``max_body`` the list of markets may be."""
_SPARE: Final = 8
"""Rows asked for beyond a page, at no cost, since some may be off the grid."""


class BinanceExchange(StreamingExchange):
    """Candles of Binance spot, or of a server with the same API at ``base_url``: see ``HttpExchange``.

    ``https://data-api.binance.vision`` has the same candles; neither address needs a key. Binance has a candle in every
    slot, with volume 0 if nobody traded; a slot without one is an outage. Rows of 2017 and 2018 that open between two
    slots are left out, and the log reports them (``off_grid``). ``timestamp`` is when a candle closes.
    """

    title: ClassVar[str] = "Binance"
    url: ClassVar[str] = NAMED["binance"].url
    example: ClassVar[str] = "BTCUSDT"
    example_glob: ClassVar[str] = "*USDT"
    timeframes: ClassVar[Sequence[Timeframe]] = tuple(each for each in TIMEFRAMES if each.name in INTERVALS)
    limit: ClassVar[Limit | None] = Limit(6000, window=60, kind="fixed", group="binance", unit="weight")
    """Weight of an address, in a minute of the server's clock (documented 2026-07-21)."""
    stream_rules: StreamRules = BINANCE_STREAM
    stream_url: ClassVar[str] = "wss://stream.binance.com:9443/stream"
    stream_path: ClassVar[str] = "/stream"
    name: str = "binance"
    page_limit: int = 1000
    """Binance cuts a larger limit silently to 1,000 (documented 2026-07-21)."""
    rate_limit: float | None = 50.0
    """Pages a second for which the weight of a minute is enough."""

    def check(self, symbol: str, timeframe: Timeframe) -> None:
        """Raise ``RequestError`` if Binance can't have this market or timeframe; nothing is sent.

        A code is BASEQUOTE in upper case: ``BTCUSDT`` is Bitcoin in Tether. For another spelling of a code the error
        suggests Binance's.
        """
        check_symbol(symbol)
        if symbol in _NAMES:
            raise refusal("symbol", symbol, "that is a timeframe; write the market before it, such as 'BTCUSDT'")
        if not symbol.isalnum() or symbol != symbol.upper() or len(symbol) < 4:
            instead = meant(symbol)
            hint = "" if instead is None else f"; did you mean {instead!r}?"
            raise refusal("symbol", symbol, f"write BASEQUOTE as Binance does, such as 'BTCUSDT'{hint}")
        self._check_timeframe(timeframe)

    @staticmethod
    def spelled(symbol: str) -> str:
        """Return a market that a file's name says, such as ``USDT-BTC``, as Binance writes it: ``BTCUSDT``."""
        return joined(symbol)

    @staticmethod
    def absent_slot(timeframe: Timeframe) -> AbsentSlot:
        """Return ``outage``: Binance has a candle even if nobody traded."""
        return "outage"

    @staticmethod
    def page_cost(count: int) -> float:
        """Return the weight of a page: 2, whatever its length (documented 2026-07-21)."""
        return 2.0

    async def first_open(self, symbol: str, timeframe: Timeframe) -> int | None:
        """Return when the first candle of a market opened, UTC seconds; None if it has none yet."""
        self.check(symbol, timeframe)
        asked = f"{symbol} {timeframe}, the first candle"
        answer = await self._klines(symbol, timeframe, "startTime=0&limit=1", asked, anew=False)
        opened = decode_klines(answer.body, timeframe, asked).first_open
        return None if opened is None else timeframe.ceil(opened)

    async def _page(self, symbol: str, timeframe: Timeframe, to: int, count: int, asked: str, *, anew: bool) -> Page:
        # Ends are inclusive, in milliseconds of open time: a candle that opens before `to` opens at least one before
        # it.
        limit = min(count + _SPARE, self.page_limit)
        answer = await self._klines(symbol, timeframe, f"endTime={to * 1000 - 1}&limit={limit}", asked, anew=anew)
        klines = decode_klines(answer.body, timeframe, asked)
        self._log_off_grid(symbol, timeframe, klines)
        rows = klines.rows[:count]
        if len(klines.rows) > count:
            start = rows[-1].open_time
        elif klines.came >= limit and klines.first_open is not None:
            start = timeframe.ceil(klines.first_open)
            if start >= to:
                # A page that covers nothing would say that nothing older is kept.
                raise InvalidResponseError(
                    f"{asked}: all {klines.came} candles of the page open off the grid inside one slot, so it proves "
                    f"nothing; ask for an end at or before {time_text(timeframe.floor(klines.first_open))}: "
                    f"{excerpt(answer.body)}"
                )
        else:
            start = BEGINNING
        date = answer.headers.get("Date")
        return Page(
            rows,
            covered=(start, to),
            history_starts=start == BEGINNING,
            server_time=http_date(date),
            used=used_weight(answer.headers),
            delay=answer.delay,
            beginning=excerpt(answer.body),
        )

    async def _klines(self, symbol: str, timeframe: Timeframe, which: str, asked: str, *, anew: bool) -> Answer:
        query = f"symbol={quote(symbol, safe='')}&interval={INTERVALS[timeframe.name]}&{which}"
        try:
            answer = await self._get(f"/api/v3/klines?{query}", asked, anew=anew)
            if error_code(answer.body) is not None:
                what = f"{asked}: {self._host} answered 200"
                raise failure(Refused(200, answer.body, what, None, time.time()))
            return answer
        except UnknownMarketError as error:
            instead = meant(symbol)
            hint = "" if instead in (None, symbol) else f"; did you mean {instead!r}?"
            there = "" if is_own(self._base, "binance") else f" --base-url {self._shown}"
            error.args = (
                f"there is no market {symbol!r} at {self.name}, or none any more: {error}; "
                f"`rxcandles markets --exchange binance{there}` lists them{hint}",
            )
            raise

    async def markets(self) -> list[Market]:
        """Return all markets that have candles, halted ones too, in Binance's order; raise as :meth:`page` does."""
        asked = "all markets"
        # Leave out the sets of permissions: this saves two thirds of the list, which is megabytes.
        answer = await self._get("/api/v3/exchangeInfo?showPermissionSets=false", asked, longest=_LIST)
        return decode_markets(answer.body, asked)

    def _dialect(self, timeframe: Timeframe) -> BinanceDialect:
        return BinanceDialect(timeframe)

    def _stream_url(self) -> str:
        host = _STREAMS.get(address_of(self._base)) if self._base.startswith("https:") else None
        return super()._stream_url() if host is None else f"wss://{host}{self.stream_path}"

    def _failed(self, refused: Refused) -> ExchangeError:
        return failure(refused)

    def _log_off_grid(self, symbol: str, timeframe: Timeframe, klines: Klines) -> None:
        """Log, once a page, that some of its rows open between two slots."""
        if not klines.off_grid:
            return
        event = OffGridEvent(
            event="off_grid",
            exchange=self.name,
            symbol=symbol,
            timeframe=timeframe.name,
            rows=len(klines.off_grid),
            open_time=time_text(klines.off_grid[0]),
        )
        message = "%s %s: %d rows of a page open between two slots and are left out, the newest at %s"
        log_event(_log, logging.WARNING, event, message, symbol, timeframe, event["rows"], event["open_time"])
