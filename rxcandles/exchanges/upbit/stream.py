"""Upbit's streams of candles: a list of codes is sent, which replaces the one before; nothing acknowledges it.

Seen and documented 2026-07 to 2026-09: messages are JSON in binary frames, numbers may have an exponent. A window comes
many times, and the last one wins; nothing says that it is closed. A ``SNAPSHOT`` repeats the state at the time of a
subscription, and may be of the window before, also after a ``REALTIME`` of the next one. An unknown code is met with
silence. The text ``PING`` makes the server send ``{"status":"UP"}`` every ten seconds.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from rxcandles.errors import ExchangeError
from rxcandles.exchanges.answers import one_line
from rxcandles.exchanges.oddvalues import UNREADABLE
from rxcandles.exchanges.streams.dialect import UnfitError, failure, head_of
from rxcandles.exchanges.upbit.decode import open_seconds
from rxcandles.model import Row
from rxcandles.model.limit import Limit
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import Beat, Frame, Heard, StreamRules

__all__ = ["UPBIT_STREAM", "UpbitDialect", "decode_message"]

UPBIT_STREAM: Final = StreamRules(
    timeframes=("1s", "1m", "3m", "5m", "10m", "15m", "30m", "60m", "240m"),
    connects=Limit(5, group="upbit/stream"),
)
"""Upbit's rules: 855 codes of one message were served (seen 2026-09-22), five connections a second (documented)."""

_PREFIX: Final = "candle."
_WORDS: Final = frozenset({"NO_TICKET", "NO_TYPE", "NO_CODES", "INVALID_PARAM", "WRONG_FORMAT", "INVALID_AUTH"})
"""Errors about what was sent (documented), after which the server closes with 1000."""


class _Error(msgspec.Struct):
    name: str = ""
    message: str = ""


class _Head(msgspec.Struct):
    """What tells messages apart; ``ty`` and ``st`` are the short names of the format SIMPLE."""

    type: str | None = None
    ty: str | None = None
    error: _Error | None = None


class _Candle(msgspec.Struct, gc=False):
    code: str
    candle_date_time_utc: str
    opening_price: float
    high_price: float
    low_price: float
    trade_price: float
    candle_acc_trade_volume: float
    candle_acc_trade_price: float
    timestamp: int
    stream_type: str = "REALTIME"


class _Simple(msgspec.Struct, gc=False):
    cd: str
    cdttmu: str
    op: float
    hp: float
    lp: float
    tp: float
    catv: float
    catp: float
    tms: int
    st: str = "REALTIME"


_heads: Final = msgspec.json.Decoder(_Head)
_candles: Final = msgspec.json.Decoder(_Candle)
_simples: Final = msgspec.json.Decoder(_Simple)


class UpbitDialect:
    """How Upbit's stream is spoken: see :class:`~rxcandles.exchanges.streams.dialect.Dialect`."""

    codes = UPBIT_STREAM.codes
    ping_every: float | None = 10.0
    """The server cuts a silent connection after a minute (seen 2026-09-22)."""
    budget: Sequence[Limit] = (Limit(5), Limit(100, window=60))

    def __init__(self, timeframe: Timeframe) -> None:
        self.timeframe = timeframe

    def ping(self) -> str:
        """Return what makes the server say that it is up."""
        return "PING"

    def asks(self, before: Sequence[str], wanted: Sequence[str]) -> list[str]:
        """Return the one message that names all codes, spelled as they are listed; it replaces those before."""
        return [_message({"type": f"{_PREFIX}{self.timeframe}", "codes": list(wanted)})]

    def read(self, message: bytes, now: float | None) -> Sequence[Heard]:
        """Return what a message says."""
        return [decode_message(message, self.timeframe)]


def decode_message(message: bytes, timeframe: Timeframe) -> Heard:
    """Return the candle in a message, or a beat; raise as :meth:`Dialect.read` does."""
    head = head_of(_heads, message)
    if head.error is not None:
        raise _failure(head.error)
    kind = head.type if head.ty is None else head.ty
    if kind is None or not kind.startswith(_PREFIX):
        return Beat()
    if kind != f"{_PREFIX}{timeframe}":
        raise UnfitError("timeframe")
    try:
        values: Any = msgspec.structs.astuple(_candles.decode(message) if head.ty is None else _simples.decode(message))
        symbol, opened, *numbers, stamp, stream_type = values
        open, high, low, close, volume, turnover = numbers
        row = Row(open_seconds(opened), open, high, low, close, volume, turnover, stamp)
        return Frame(symbol, row, stamp=stamp / 1000, snapshot=stream_type == "SNAPSHOT")
    except (*UNREADABLE, ValueError, OverflowError):
        raise UnfitError("values") from None


def _message(*parts: dict[str, object]) -> str:
    return json.dumps([{"ticket": str(uuid.uuid4())}, *parts, {"format": "DEFAULT"}], separators=(",", ":"))


def _failure(error: _Error) -> ExchangeError:
    said = f"{one_line(error.name)}: {one_line(error.message)}"
    return failure(said, refused=error.name in _WORDS)
