"""Upbit over HTTP: one request a page, one attempt, every failure as an error of this library."""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final
from urllib.parse import quote

from rxcandles.errors import ExchangeError, RequestError, UnknownMarketError
from rxcandles.exchanges.answers import Refused, excerpt, failure_by_status
from rxcandles.exchanges.headers import http_date, remaining_requests
from rxcandles.exchanges.streams.streaming import StreamingExchange
from rxcandles.exchanges.upbit.decode import decode_candles, decode_markets, error_message, error_seconds
from rxcandles.exchanges.upbit.stream import UPBIT_STREAM, UpbitDialect
from rxcandles.model.naming import UPBIT_URL
from rxcandles.model.timeframe import TIMEFRAMES, Timeframe, time_text
from rxcandles.ports import Market, Page, StreamRules
from rxcandles.ports.declared import AbsentSlot, retained_since
from rxcandles.util.arguments import check_symbol, refusal

if TYPE_CHECKING:
    import aiohttp

__all__ = ["UpbitExchange"]

_TIMEFRAMES: Final = {each.name for each in TIMEFRAMES} | {"1h", "4h"}
"""Timeframes, which may be written in place of a market."""
_QUOTES: Final = ("KRW", "USDT", "BTC")
"""Currencies of Upbit's markets, the first part of their codes."""
_KINDS: Final = {"s": "seconds", "d": "days", "w": "weeks", "M": "months", "y": "years"}
_SECONDS_KEPT: Final = (89 - 2) * 86_400


class UpbitExchange(StreamingExchange):
    """Candles of Upbit, or of a server with the same API at ``base_url``: see ``HttpExchange`` for the rest.

    A ``session`` that sends an ``Origin`` is refused: with one, Upbit allows one request in ten seconds (documented
    2024-07-17).
    """

    title: ClassVar[str] = "Upbit"
    url: ClassVar[str] = UPBIT_URL
    example: ClassVar[str] = "KRW-BTC"
    example_glob: ClassVar[str] = "KRW-*"
    timeframes: ClassVar[Sequence[Timeframe]] = TIMEFRAMES
    stream_rules: StreamRules = UPBIT_STREAM
    stream_url: ClassVar[str] = "wss://api.upbit.com/websocket/v1"
    stream_path: ClassVar[str] = "/websocket/v1"
    name: str = "upbit"
    page_limit: int = 200
    """Upbit cuts a larger count silently to 200 (seen 2026-09-13)."""
    rate_limit: float | None = 10.0
    """Requests a second and address, for all kinds of candles together (documented 2026-10-07)."""

    def _check_session(self, session: aiohttp.ClientSession) -> None:
        super()._check_session(session)
        if "Origin" in session.headers:
            raise RequestError("session sends an Origin header, for which Upbit allows one request in 10 s; remove it")

    def check(self, symbol: str, timeframe: Timeframe) -> None:
        """Raise ``RequestError`` if Upbit can't have this market or timeframe; nothing is sent.

        A code is QUOTE-BASE: ``KRW-BTC`` is Bitcoin in Korean won. The base is spelled as it is listed, in any case
        (``KRW-xBTC``). For another spelling of a code the error suggests Upbit's.
        """
        check_symbol(symbol)
        money, _, base = symbol.partition("-")
        if symbol in _TIMEFRAMES:
            raise refusal("symbol", symbol, "that is a timeframe; write the market before it, such as 'KRW-BTC'")
        if not (money and base) or money != money.upper() or base == "KRW" or "/" in symbol:
            meant = _meant(symbol)
            hint = "" if meant is None else f"; did you mean {meant!r}?"
            if re.fullmatch("[A-Z0-9]+USD[TC]", symbol):
                hint = f"; did you mean {meant!r}, or the exchange 'binance'?"
            raise refusal("symbol", symbol, f"write QUOTE-BASE as Upbit does, such as 'KRW-BTC'{hint}")
        self._check_timeframe(timeframe)

    @staticmethod
    def absent_slot(timeframe: Timeframe) -> AbsentSlot:
        """Return ``no_trade``: Upbit has no candle if nobody traded."""
        return "no_trade"

    @staticmethod
    def retention(timeframe: Timeframe) -> int | None:
        """Return for how many seconds candles are sure to be kept; None for ever.

        Upbit keeps candles of seconds for three months (documented since 2024-10-30). At which time of day they are
        dropped is not known, so this is two days less than the shortest three months.
        """
        return _SECONDS_KEPT if timeframe.name == "1s" else None

    @staticmethod
    def kept(timeframe: Timeframe) -> int | None:
        """Return what :meth:`retention` does; a deprecated name."""
        warnings.warn("UpbitExchange.kept is called retention now", DeprecationWarning, stacklevel=2)
        return UpbitExchange.retention(timeframe)

    async def _page(self, symbol: str, timeframe: Timeframe, to: int, count: int, asked: str, *, anew: bool) -> Page:
        # Upbit's ``to`` is excluded, and fewer rows than asked for mean that there are no older ones (seen 2026-09-13).
        # Quote everything by hand: yarl leaves a colon in a query as it is, and Upbit refuses such a `to` (its FAQ).
        query = f"market={quote(symbol, safe='')}&to={quote(time_text(to), safe='')}&count={count}"
        try:
            answer = await self._get(f"/v1/candles/{_path(timeframe)}?{query}", asked, anew=anew)
        except UnknownMarketError as error:
            hint = f"; did you mean {symbol.upper()!r}?" if symbol.upper() != symbol else ""
            error.args = (f"there is no market {symbol!r} at {self.name}: {error}{hint}",)
            raise
        server_time = http_date(answer.headers.get("Date"))
        return Page.before(
            decode_candles(answer.body, symbol, timeframe, asked),
            to,
            count,
            kept_since=retained_since(self, timeframe, time.time() if server_time is None else server_time),
            server_time=server_time,
            remaining=remaining_requests(answer.headers.get("Remaining-Req")),
            delay=answer.delay,
            beginning=excerpt(answer.body),
        )

    async def markets(self) -> list[Market]:
        """Return all markets that are listed now, in Upbit's order; raise as :meth:`page` does."""
        asked = "all markets"
        return decode_markets((await self._get("/v1/market/all", asked)).body, asked)

    def _dialect(self, timeframe: Timeframe) -> UpbitDialect:
        return UpbitDialect(timeframe)

    def _failed(self, refused: Refused) -> ExchangeError:
        said = error_message(refused.body)
        if refused.status == 404 and said == "Code not found":
            return UnknownMarketError(
                f"never listed, delisted or renamed (the exchange says the same for all three); {refused.what}: {said}"
            )
        if refused.status == 418 and refused.wait is None:
            refused = refused._replace(wait=error_seconds(refused.body))
        return failure_by_status(refused, said)


def _meant(symbol: str) -> str | None:
    """Return Upbit's code for another spelling: ``btc-krw``, ``KRW_BTC``, ``BTC/KRW``, ``BTCKRW``, ``BTC``; or None."""
    if not re.fullmatch(r"[A-Z0-9]+(?:[-_/:.][A-Z0-9]+)?", symbol.upper(), re.ASCII):
        return None
    parts = re.split("[-_/:.]", symbol.upper())
    if len(parts) == 1:
        [name] = parts
        ends = [(each, name.removeprefix(each)) for each in _QUOTES if name.startswith(each)]
        ends += [(each, name.removesuffix(each)) for each in _QUOTES if name.endswith(each)]
        parts = list(next((pair for pair in ends if pair[1]), (_QUOTES[0], name)))
    one, other = parts
    turned = other in _QUOTES and (one not in _QUOTES or _QUOTES.index(other) < _QUOTES.index(one))
    return f"{other}-{one}" if turned else f"{one}-{other}"


def _path(timeframe: Timeframe) -> str:
    number, letter = timeframe.name[:-1], timeframe.name[-1:]
    return f"minutes/{number}" if letter == "m" else _KINDS[letter]
