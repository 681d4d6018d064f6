"""How OKX's stream of candles is spoken. There is no adapter of its pages yet; the machine takes it as it is.

::

    from rxcandles import Timeframe
    from rxcandles.exchanges.streams.machine import SocketStream
    from rxcandles.exchanges.streams.okx import OKX_BUSINESS, OkxDialect
    from rxcandles.exchanges.streams.opening import Door

    dialect = OkxDialect(Timeframe.of("1m"))
    stream = SocketStream(dialect, ["BTC-USDT"], Door("stream of 1m candles", OKX_BUSINESS))

By its documentation (v5, read 2026-09); nothing of it was recorded. The client sends the text ``ping`` within 30
seconds, which is answered by ``pong``. No message says when it was made, so the server's clock at its arrival counts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

import msgspec

from rxcandles.exchanges.answers import one_line
from rxcandles.exchanges.oddvalues import UNREADABLE
from rxcandles.exchanges.streams.dialect import UnfitError, failure, head_of
from rxcandles.model import Row
from rxcandles.model.limit import Limit
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import Beat, Frame, Heard, StreamRules

__all__ = ["OKX_BUSINESS", "OKX_STREAM", "OkxDialect"]

OKX_BUSINESS: Final = "wss://ws.okx.com:8443/ws/v5/business"

_CHANNELS: Final = {
    **{name: f"candle{name}" for name in ("1s", "1m", "3m", "5m", "15m", "30m")},
    **{"60m": "candle1H", "240m": "candle4H", "1d": "candle1Dutc", "1w": "candle1Wutc", "1M": "candle1Mutc"},
}
OKX_STREAM: Final = StreamRules(
    timeframes=tuple(_CHANNELS),
    idle=30.0,
    closed_flag=True,
    dense=True,
    connects=Limit(3, group="okx/stream"),
)
"""OKX's rules (documented)."""

_LEAVING: Final = "64008"
"""The code of the notice that the connection will be closed for an upgrade."""
_NO_MARKET: Final = "60018"
"""The code of an error about one market only; the others are streamed."""
_WORDS: Final = "600"
"""What codes of errors about what was sent begin with."""


class _Channel(msgspec.Struct, gc=False):
    channel: str = ""
    instId: str = ""


class _Head(msgspec.Struct):
    event: str = ""
    code: str = ""
    msg: str = ""
    arg: _Channel | None = None


class _Candle(msgspec.Struct, array_like=True, gc=False):
    opened: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    currency_volume: float
    turnover: float
    confirm: int


class _Push(msgspec.Struct):
    data: list[_Candle]


_heads: Final = msgspec.json.Decoder(_Head)
_pushes: Final = msgspec.json.Decoder(_Push, strict=False)
"""Not strict, since numbers are sent as text."""


class OkxDialect:
    """How OKX's stream is spoken: see :class:`~rxcandles.exchanges.streams.dialect.Dialect`."""

    codes = OKX_STREAM.codes
    ping_every: float | None = 20.0
    budget: Sequence[Limit] = (Limit(480, window=3600),)
    """Subscriptions of an hour (documented); pings are counted here too, which leaves enough."""

    def __init__(self, timeframe: Timeframe) -> None:
        self.timeframe = timeframe
        self._channel = _CHANNELS[timeframe.name]

    def ping(self) -> str:
        """Return OKX's own ping."""
        return "ping"

    def asks(self, before: Sequence[str], wanted: Sequence[str]) -> list[str]:
        """Return the messages that end what is not wanted any more, and begin all that is."""
        gone = [symbol for symbol in before if symbol not in set(wanted)]
        return [self._said(op, symbols) for op, symbols in (("unsubscribe", gone), ("subscribe", wanted)) if symbols]

    def _said(self, op: str, symbols: Sequence[str]) -> str:
        return json.dumps({"op": op, "args": [{"channel": self._channel, "instId": each} for each in symbols]})

    def read(self, message: bytes, now: float | None) -> Sequence[Heard]:
        """Return what a message says."""
        if message == b"pong":
            return [Beat()]
        head = head_of(_heads, message)
        if head.event == "error" and head.code != _NO_MARKET:
            said = f"{one_line(head.msg)} (code {one_line(head.code)})"
            raise failure(said, refused=head.code.startswith(_WORDS))
        if head.event or head.arg is None:
            return [Beat(leaving=head.code == _LEAVING)]
        if head.arg.channel != self._channel:
            raise UnfitError("timeframe")
        try:
            return [self._frame(each, head.arg.instId, now) for each in _pushes.decode(message).data]
        except (*UNREADABLE, OverflowError, ValueError, OSError):
            raise UnfitError("values") from None

    def _frame(self, found: _Candle, symbol: str, now: float | None) -> Frame:
        if found.opened % 1000:
            raise UnfitError("grid")
        opened = found.opened // 1000
        ends = self.timeframe.shift(opened, 1)
        prices = (found.open, found.high, found.low, found.close)
        row = Row(opened, *prices, found.volume, found.turnover, ends * 1000 - 1)
        closed = found.confirm == 1
        # At the earliest when it opened, or has closed.
        return Frame(symbol, row, stamp=float(max(now or 0, ends if closed else opened)), closed=closed)
