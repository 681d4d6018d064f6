"""Upbit's streams of candles, ``/websocket/v1``: what is subscribed to, when what is shown, and in which words.

As documented, and as measured 2026-09-22: a stream has a cycle of a second, and says nothing where nothing has changed;
no message says that a candle is closed; nothing is acknowledged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from json import JSONDecodeError, dumps, loads
from math import floor, inf
from typing import Any, Final

import attrs

from rxcandles.model.timeframe import Timeframe
from rxcandles.simulator.socketrules import SocketRules
from rxcandles.simulator.talk import Close, Reader, Said, Shown, Text
from rxcandles.simulator.text import DAY, KST, clock_text, day_text

__all__ = ["UPBIT_PATH", "UPBIT_RULES", "UpbitTalk", "upgrade_headers"]

UPBIT_PATH: Final = "/websocket/v1"

UPBIT_RULES: Final = SocketRules(connects=(5, 1.0), messages=((5, 1.0), (100, 60.0)), origin=True, idle=60.0)
"""Documented; an idle connection was closed after 60.5 seconds, though 120 are documented (2026-09-23)."""

_FRAMES: Final = {f"candle.{name}": name for name in ("1s", "1m", "3m", "5m", "10m", "15m", "30m", "60m", "240m")}
_OTHERS: Final = ("ticker", "trade", "orderbook")
"""Types there are besides candles; a subscription to them is good, and nothing comes of it here."""

_SHORT: Final = {
    "type": "ty", "code": "cd", "candle_date_time_utc": "cdttmu", "candle_date_time_kst": "cdttmk",
    "opening_price": "op", "high_price": "hp", "low_price": "lp", "trade_price": "tp",
    "candle_acc_trade_volume": "catv", "candle_acc_trade_price": "catp", "timestamp": "tms", "stream_type": "st",
    "method": "mthd", "result": "rslt", "ticket": "tckt", "codes": "cds",
}  # fmt: skip
_ONLY: Final = (("is_only_snapshot", "isOnlySnapshot"), ("is_only_realtime", "isOnlyRealtime"))
"""What limits a subscription to one kind of message, and what clients of earlier versions call it."""

_FORMATS: Final = ("DEFAULT", "SIMPLE", "JSON_LIST", "SIMPLE_LIST")
_UP: Final = Text('{"status":"UP"}')
_UP_SECONDS: Final = 10
_CLOSED_AFTER: Final = 0.16
"""Seconds from an error to the close, measured 0.15 to 0.18."""


def upgrade_headers(remaining: int) -> dict[str, str]:
    """Return what the exchange says about its limit at an upgrade (measured 2026-09-22)."""
    return {"Limit-By-Ip": "Yes", "Remaining-Req": f"group=websocket; min=300; sec={remaining}"}


class _RefusedError(Exception):
    """What was asked for can't be had; the arguments are the error's name and its message."""


@attrs.define
class _Asked:
    """A market of a subscription, and what of it was shown last."""

    symbol: str
    timeframe: Timeframe
    label: str
    only_snapshot: bool
    only_realtime: bool
    looked: float
    opened: float = -inf
    row: str = ""


class UpbitTalk:
    """Upbit's side of one connection."""

    binary = True

    def __init__(self, reader: Reader, now: float) -> None:
        self.subscribed = 0
        self._reader = reader
        self._asked: list[_Asked] = []
        self._listed: list[dict[str, Any]] = []
        self._format = "DEFAULT"
        self._cycle = floor(now)
        self._up: float = inf

    def heard(self, text: str, now: float) -> Iterable[Said]:
        """Subscribe to what a message asks for, and to nothing else; or answer ``PING``, or a question."""
        if text == "PING":
            if self._up == inf:
                self._up = (now // _UP_SECONDS + 1) * _UP_SECONDS
            return ()
        try:
            return list(self._answer(text, now))
        except _RefusedError as refused:
            name, message = refused.args
            error = {"error": {"name": name, "message": message}}
            return Text(dumps(error, ensure_ascii=False, separators=(",", ":"))), Close(1000, after=_CLOSED_AFTER)

    def shown(self, now: float) -> list[Shown]:
        """Return what has changed since the last second."""
        if floor(now) <= self._cycle:
            return []
        self._cycle = floor(now)
        return [shown for asked in self._asked if not asked.only_snapshot for shown in self._changed(asked, now)]

    def stands(self, now: float, previous: bool = False) -> list[Shown]:
        """Return a what each market stands at, or the candle before."""
        return [
            self._shown(asked, rows[-1], now)
            for asked in self._asked
            if (rows := self._reader.newest(asked.symbol, asked.timeframe, 1 + previous, now))
        ]

    def beats(self, now: float) -> Iterable[Said]:
        """Say every ten seconds that it is up, once it has been asked."""
        if now < self._up:
            return ()
        self._up = (now // _UP_SECONDS + 1) * _UP_SECONDS
        return (_UP,)

    def due(self, now: float) -> float:
        """Return the next second, where anything is subscribed to."""
        return min(self._up, self._cycle + 1 if self._asked else inf)

    def farewell(self, now: float) -> Text | None:
        """Return None: nothing announces an end."""
        return None

    def lose(self, symbols: frozenset[str] | None) -> None:
        """Forget subscriptions; the list of them still names all."""
        self._asked = [] if symbols is None else [each for each in self._asked if each.symbol not in symbols]

    def write(self, shown: Shown, now: float) -> str | bytes:
        """Return a candle in the format asked for."""
        if shown.raw is not None:
            return shown.raw
        opened = int(shown.open_time)
        utc, kst = (f'"{day_text(time // DAY)}{clock_text(time % DAY)}"' for time in (opened, opened + KST))
        values = {
            "type": f'"{shown.label}"',
            "code": f'"{shown.symbol}"',
            "candle_date_time_utc": utc,
            "candle_date_time_kst": kst,
            "opening_price": shown.open,
            "high_price": shown.high,
            "low_price": shown.low,
            "trade_price": shown.close,
            "candle_acc_trade_volume": shown.volume,
            "candle_acc_trade_price": shown.turnover,
            "timestamp": str(shown.stamp),
            "stream_type": '"SNAPSHOT"' if shown.snapshot else '"REALTIME"',
        }
        return self._formatted(f'"{name}":{value}' for name, value in self._named(values))

    def _named(self, values: dict[str, str]) -> Iterator[tuple[str, str]]:
        short = self._format.startswith("SIMPLE")
        return ((_SHORT[name] if short else name, value) for name, value in values.items())

    def _formatted(self, fields: Iterable[str]) -> str:
        text = f"{{{','.join(fields)}}}"
        return f"[{text}]" if self._format.endswith("LIST") else text

    def _answer(self, text: str, now: float) -> Iterator[Said]:
        try:
            parts = loads(text)
        except (JSONDecodeError, RecursionError):
            parts = None
        if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
            raise _RefusedError("WRONG_FORMAT", "Format이 맞지 않습니다.")
        merged = {key: value for part in parts for key, value in part.items()}
        if "ticket" not in merged:
            raise _RefusedError("NO_TICKET", "티켓이 존재하지 않습니다.")
        wanted = merged.get("format", "DEFAULT")
        if wanted not in _FORMATS:
            raise _RefusedError("WRONG_FORMAT", "Format이 맞지 않습니다.")
        if merged.get("method") == "LIST_SUBSCRIPTIONS":
            self._format = wanted
            yield self._list(merged["ticket"])
            return
        kinds = [part for part in parts if "type" in part]
        if not kinds:
            raise _RefusedError("NO_TYPE", "타입이 존재하지 않습니다.")
        asked = [each for part in kinds for each in _asked(part, now)]
        self._format = wanted
        self.subscribed += 1
        self._asked, self._listed = asked, [{"type": part["type"], "codes": part["codes"]} for part in kinds]
        for each in asked:
            for row in self._reader.newest(each.symbol, each.timeframe, 1, now):
                each.opened, each.row = self._reader.form.opened(row), row
                if not each.only_realtime:
                    yield self._shown(each, row, now, snapshot=True)

    def _list(self, ticket: object) -> Text:
        short = self._format.startswith("SIMPLE")

        def named(name: str) -> str:
            return _SHORT[name] if short else name

        result = [{named(name): value for name, value in each.items()} for each in self._listed]
        values = {"method": "LIST_SUBSCRIPTIONS", "result": result, "ticket": ticket}
        told = dumps({named(name): value for name, value in values.items()}, separators=(",", ":"))
        return Text(f"[{told}]" if self._format.endswith("LIST") else told)

    def _changed(self, asked: _Asked, now: float) -> Iterator[Shown]:
        """The window of the last look, if it has changed since then, and those after it."""
        since = max(asked.opened, asked.timeframe.floor(asked.looked))
        asked.looked = now
        opened: Callable[[str], float] = self._reader.form.opened
        for row in self._reader.rows(asked.symbol, asked.timeframe, since, now):
            if row != asked.row:
                asked.opened, asked.row = opened(row), row
                yield self._shown(asked, row, now)

    def _shown(self, asked: _Asked, row: str, now: float, snapshot: bool = False) -> Shown:
        form = self._reader.form

        def value(name: str) -> str:
            return form.value(row, name) or "0"

        return Shown(
            asked.symbol,
            asked.timeframe,
            asked.label,
            form.opened(row),
            value("opening_price"),
            value("high_price"),
            value("low_price"),
            value("trade_price"),
            value("candle_acc_trade_volume"),
            value("candle_acc_trade_price"),
            min(int(value("timestamp")), int(now * 1000)),  # pages know already when a late trade will be stored
            snapshot=snapshot,
        )


def _asked(part: dict[str, Any], now: float) -> list[_Asked]:
    """The markets that a part of a message subscribes to."""
    label, codes = part["type"], part.get("codes")
    if label not in _FRAMES and label not in _OTHERS:
        raise _RefusedError("INVALID_PARAM", f"{label} 은 지원하지 않는 타입입니다.")
    if not codes:
        raise _RefusedError("NO_CODES", "코드 정보가 존재하지 않습니다.")
    if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
        raise _RefusedError("INVALID_PARAM", "codes 파라미터가 올바르지 않습니다.")
    if label in _OTHERS:
        return []
    frame = Timeframe.of(_FRAMES[label])
    only_snapshot, only_realtime = (True in (part.get(name) for name in names) for names in _ONLY)
    return [_Asked(code, frame, label, only_snapshot, only_realtime, now) for code in dict.fromkeys(codes)]
