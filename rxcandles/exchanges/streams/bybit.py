"""How Bybit's stream of candles is spoken. There is no adapter of its pages yet; the machine takes it as it is.

::

    from rxcandles import Timeframe
    from rxcandles.exchanges.streams.bybit import BYBIT_SPOT, BybitDialect
    from rxcandles.exchanges.streams.machine import SocketStream
    from rxcandles.exchanges.streams.opening import Door

    dialect = BybitDialect(Timeframe.of("1m"))
    stream = SocketStream(dialect, ["BTCUSDT"], Door("stream of 1m candles", BYBIT_SPOT))

By its documentation (v5, read 2026-09); nothing of it was recorded. A message may have several candles. The client
sends a ping every 20 seconds; without any, the server ends the connection after ten minutes.
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

__all__ = ["BYBIT_SPOT", "BYBIT_STREAM", "BybitDialect"]

BYBIT_SPOT: Final = "wss://stream.bybit.com/v5/public/spot"

_INTERVALS: Final = {
    **{f"{minutes}m": str(minutes) for minutes in (1, 3, 5, 15, 30, 60, 240)},
    **{"1d": "D", "1w": "W", "1M": "M"},
}
BYBIT_STREAM: Final = StreamRules(
    timeframes=tuple(_INTERVALS),
    idle=30.0,
    closed_flag=True,
    connects=Limit(500, window=300, group="bybit/stream"),
)
"""Bybit's rules (documented)."""

_IN_ONE: Final = 10
"""Topics of one message, for spot (documented)."""
_ALREADY: Final = "already subscribed"


class _Candle(msgspec.Struct, gc=False):
    start: int
    interval: str
    open: float
    high: float
    low: float
    close: float
    volume: float
    turnover: float
    confirm: bool
    timestamp: int


class _Head(msgspec.Struct):
    topic: str = ""
    op: str = ""
    success: bool = True
    ret_msg: str = ""


class _Push(msgspec.Struct):
    ts: int
    data: list[_Candle]


_heads: Final = msgspec.json.Decoder(_Head)
_pushes: Final = msgspec.json.Decoder(_Push, strict=False)
"""Not strict, since numbers are sent as text."""


class BybitDialect:
    """How Bybit's stream is spoken: see :class:`~rxcandles.exchanges.streams.dialect.Dialect`."""

    codes = BYBIT_STREAM.codes
    ping_every: float | None = 20.0
    budget: Sequence[Limit] = (Limit(10),)
    """Of our own choice; no limit is documented."""

    def __init__(self, timeframe: Timeframe) -> None:
        self.timeframe = timeframe
        self._interval = _INTERVALS[timeframe.name]

    def ping(self) -> str:
        """Return Bybit's own ping."""
        return '{"op":"ping"}'

    def asks(self, before: Sequence[str], wanted: Sequence[str]) -> list[str]:
        """Return the messages that end all of ``before``, and begin all that is wanted."""
        return [*self._said("unsubscribe", before), *self._said("subscribe", wanted)]

    def _said(self, op: str, symbols: Sequence[str]) -> list[str]:
        topics = [f"kline.{self._interval}.{symbol}" for symbol in symbols]
        parts = [topics[at : at + _IN_ONE] for at in range(0, len(topics), _IN_ONE)]
        return [json.dumps({"op": op, "args": part}) for part in parts]

    def read(self, message: bytes, now: float | None) -> Sequence[Heard]:
        """Return what a message says."""
        head = head_of(_heads, message)
        if not head.success and _ALREADY not in head.ret_msg:
            said = one_line(head.ret_msg) or "no message"
            raise failure(said, refused=head.op == "subscribe")
        if not head.topic.startswith("kline."):
            return [Beat()]
        _, interval, symbol = f"{head.topic}..".split(".")[:3]
        if interval != self._interval:
            raise UnfitError("timeframe")
        try:
            push = _pushes.decode(message)
            return [self._frame(each, symbol, push.ts) for each in push.data]
        except (*UNREADABLE, OverflowError):
            raise UnfitError("values") from None

    def _frame(self, found: _Candle, symbol: str, sent: int) -> Frame:
        if found.interval != self._interval:
            raise UnfitError("timeframe")
        if found.start % 1000:
            raise UnfitError("grid")
        prices = (found.open, found.high, found.low, found.close)
        row = Row(found.start // 1000, *prices, found.volume, found.turnover, found.timestamp)
        return Frame(symbol, row, stamp=sent / 1000, closed=found.confirm)
