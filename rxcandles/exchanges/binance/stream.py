"""Binance's streams of candles: subscriptions add up and are acknowledged, and a flag says that a candle is closed.

Documented 2026-07-21, and seen 2021 to 2023: numbers are text, times are milliseconds. A closed frame comes for each
slot within two seconds, with no trades where nobody traded. The server sends pings, ends each connection after a day,
and may say before that it shuts down.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import count
from typing import Any, Final

import msgspec

from rxcandles.errors import ExchangeError
from rxcandles.exchanges.answers import one_line
from rxcandles.exchanges.binance.intervals import INTERVALS
from rxcandles.exchanges.oddvalues import UNREADABLE
from rxcandles.exchanges.streams.dialect import UnfitError, failure, head_of
from rxcandles.model import Row, RowWithTrades
from rxcandles.model.limit import Limit
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import Beat, Frame, Heard, StreamRules

__all__ = ["BINANCE_STREAM", "BinanceDialect", "decode_message"]

BINANCE_STREAM: Final = StreamRules(
    timeframes=tuple(INTERVALS),
    codes=1024,
    idle=30.0,
    max_age=86_400.0,
    closed_flag=True,
    dense=True,
    connects=Limit(300, window=300, group="binance/stream"),
)
"""Binance's rules (documented 2026-07-21); it pings every 20 seconds."""

_IN_ONE: Final = 200
"""Streams of one message; how long it may be is not documented."""
_WORDS: Final = frozenset({0, 1, 2, 3})
"""Codes of errors about what was sent (documented): an unknown property, a wrong value, a wrong request, no JSON."""


class _Error(msgspec.Struct):
    code: int = 0
    msg: str = ""


class _Event(msgspec.Struct):
    e: str = ""


class _Head(msgspec.Struct):
    """What tells messages apart; ``event`` wraps some, ``data`` all of combined streams."""

    e: str = ""
    data: _Event | None = None
    event: _Event | None = None
    error: _Error | None = None
    code: int | None = None
    msg: str = ""


class _Kline(msgspec.Struct, gc=False):
    t: int
    T: int
    s: str
    i: str
    o: float
    h: float
    l: float  # noqa: E741 - Binance's name
    c: float
    v: float
    n: int
    x: bool
    q: float
    V: float
    Q: float


class _Data(msgspec.Struct, gc=False):
    E: int
    k: _Kline


class _Combined(msgspec.Struct, gc=False):
    data: _Data


_heads: Final = msgspec.json.Decoder(_Head)
_combined: Final = msgspec.json.Decoder(_Combined, strict=False)
_single: Final = msgspec.json.Decoder(_Data, strict=False)
"""Not strict, since numbers are sent as text."""


class BinanceDialect:
    """How Binance's stream is spoken: see :class:`~rxcandles.exchanges.streams.dialect.Dialect`."""

    codes = BINANCE_STREAM.codes
    ping_every: float | None = None
    budget: Sequence[Limit] = (Limit(4),)
    """Five messages a second are allowed, of which answers to pings are some."""

    def __init__(self, timeframe: Timeframe) -> None:
        self.timeframe = timeframe
        self._interval = INTERVALS[timeframe.name]
        self._ids = count(1)

    def ping(self) -> str:
        """Do not call this: the server asks."""
        raise NotImplementedError

    def asks(self, before: Sequence[str], wanted: Sequence[str]) -> list[str]:
        """Return the messages that end what is not wanted any more, and begin all that is."""
        gone = [symbol for symbol in before if symbol not in set(wanted)]
        return [*self._said("UNSUBSCRIBE", gone), *self._said("SUBSCRIBE", wanted)]

    def _said(self, method: str, symbols: Sequence[str]) -> list[str]:
        names = [f"{symbol.lower()}@kline_{self._interval}" for symbol in symbols]
        parts = [names[at : at + _IN_ONE] for at in range(0, len(names), _IN_ONE)]
        return [json.dumps({"method": method, "params": part, "id": next(self._ids)}) for part in parts]

    def read(self, message: bytes, now: float | None) -> Sequence[Heard]:
        """Return what a message says."""
        return [decode_message(message, self.timeframe)]


def decode_message(message: bytes, timeframe: Timeframe) -> Heard:
    """Return the candle in a message, or a beat; raise as :meth:`Dialect.read` does."""
    head = head_of(_heads, message)
    if head.error is not None or head.code is not None:
        raise _failure(head.error or _Error(head.code or 0, head.msg))
    kind = next((each.e for each in (head.data, head.event) if each is not None), head.e)
    if kind != "kline":
        return Beat(leaving=kind == "serverShutdown")
    try:
        found = _single.decode(message) if head.data is None else _combined.decode(message).data
        if found.k.i != INTERVALS[timeframe.name]:
            raise UnfitError("timeframe")
        return Frame(found.k.s, _row(found.k), stamp=found.E / 1000, closed=found.k.x)
    except (*UNREADABLE, OverflowError):
        raise UnfitError("values") from None


def _row(kline: _Kline) -> Row:
    """Return the row that a page has for a candle."""
    if kline.t % 1000:
        raise UnfitError("grid")
    values: tuple[Any, ...] = (
        kline.t // 1000, kline.o, kline.h, kline.l, kline.c, kline.v, kline.q, kline.T, None, None, None,
        kline.n, kline.V, kline.Q,
    )  # fmt: skip
    return RowWithTrades(*values)


def _failure(error: _Error) -> ExchangeError:
    said = f"{one_line(error.msg) or 'no message'} (code {error.code})"
    return failure(said, refused=error.code in _WORDS)
