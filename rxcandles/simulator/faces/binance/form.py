"""Candles and refusals as Binance writes them: arrays, oldest first, and errors with codes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from json import dumps
from math import ceil
from typing import Final

from rxcandles.simulator.answers import JSON, Answer

__all__ = ["BINANCE", "BinanceForm", "BinanceWords", "refusal"]

_COLUMNS: Final = {
    "candle_date_time_utc": 0, "open_time": 0,
    "opening_price": 1, "open": 1,
    "high_price": 2, "high": 2,
    "low_price": 3, "low": 3,
    "trade_price": 4, "close": 4,
    "candle_acc_trade_volume": 5, "volume": 5,
    "timestamp": 6, "close_time": 6,
    "candle_acc_trade_price": 7, "turnover": 7,
    "trades": 8, "taker_volume": 9, "taker_turnover": 10,
}  # fmt: skip
_NUMBER: Final = re.compile(r"-?[0-9.eE+-]+|NaN|-?Infinity")


class BinanceForm:
    """Binance's rows. Fields have Upbit's names, short ones, and their own."""

    def rows(self, body: str) -> list[str]:
        """Return the candles in a body, newest first; none where it holds none."""
        return [f"[{row}]" for row in reversed(body[2:-2].split("],["))] if body.startswith("[[") else []

    def body(self, rows: Sequence[str]) -> str:
        """Return the body that holds these candles, given newest first."""
        return f"[{','.join(reversed(rows))}]"

    def opened(self, row: str) -> float:
        """Return the open time of a candle in UTC seconds, 0 where it tells none."""
        text = row[1:].partition(",")[0]
        if not text.isdecimal():
            return 0
        seconds, rest = divmod(int(text), 1000)
        return seconds + rest / 1000 if rest else seconds

    def moved(self, row: str, open_time: int) -> str:
        """Return a candle with another open time, in UTC seconds; it lasts as long as before."""
        fields = row[1:-1].split(",")
        if fields[6].isdecimal() and fields[0].isdecimal():
            fields[6] = str(int(fields[6]) - int(fields[0]) + open_time * 1000)
        fields[0] = str(open_time * 1000)
        return f"[{','.join(fields)}]"

    def edited(self, row: str, field: str, text: str) -> str:
        """Return a candle with another value of ``field``: in quotes where the exchange writes them."""
        column, fields = _COLUMNS.get(field), row[1:-1].split(",")
        if column is not None and column < len(fields):
            quoted = fields[column].startswith('"') and _NUMBER.fullmatch(text)
            fields[column] = f'"{text}"' if quoted else text
        return f"[{','.join(fields)}]"

    def value(self, row: str, field: str) -> str | None:
        """Return the digits of a number of a candle; None where the exchange sends no such field."""
        column, fields = _COLUMNS.get(field), row[1:-1].split(",")
        return fields[column].strip('"') if column is not None and column < len(fields) else None


BINANCE: Final = BinanceForm()


def refusal(code: int, message: str, status: int = 400) -> Answer:
    """Return an error as Binance words it: ``{"code":-1121,"msg":"Invalid symbol."}`` (documented 2026-07-21)."""
    return Answer(status, dumps({"code": code, "msg": message}, separators=(",", ":")), JSON, form=BINANCE)


class BinanceWords:
    """Binance's wording. ``allowed`` is the weight of a minute that its 429 names."""

    def __init__(self, allowed: int = 6000) -> None:
        self._allowed = allowed

    def error(self, status: int, message: str) -> Answer:
        """Return an error of the code that the exchange has for all that it has no other for."""
        return refusal(-1000, message, status)

    def refused(self, now: float) -> Answer:
        """Return a 429, whose ``Retry-After`` is the rest of the minute."""
        message = (
            f"Too much request weight used; current limit is {self._allowed} request weight per 1 MINUTE. "
            "Please use WebSocket Streams for live updates to avoid polling the API."
        )
        return self._later(429, message, 60 - now % 60)

    def blocked(self, seconds: float, now: float) -> Answer:
        """Return a 418 that says until when in its body, and for how many seconds in ``Retry-After``."""
        message = (
            f"Way too much request weight used; IP banned until {round((now + seconds) * 1000)}. "
            "Please use WebSocket Streams for live updates to avoid bans."
        )
        return self._later(418, message, seconds)

    def _later(self, status: int, message: str, seconds: float) -> Answer:
        body = refusal(-1003, message).body
        return Answer(status, body, JSON, {"Retry-After": str(ceil(seconds))}, form=BINANCE)
