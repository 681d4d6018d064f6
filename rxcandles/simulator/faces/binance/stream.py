"""Binance's streams of candles: ``/ws``, ``/ws/<stream>`` and ``/stream?streams=<stream>/<stream>``.

As documented 2026-07-21. A candle is shown every two seconds if it has changed (every second for ``1s``), and once more
some milliseconds after its end, closed; so is one in which nobody traded (recorded 2021 and 2023).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from json import JSONDecodeError, dumps, loads
from math import inf
from typing import Any, Final
from urllib.parse import parse_qs

import attrs

from rxcandles.model.timeframe import Timeframe
from rxcandles.simulator.faces.binance.intervals import interval, zone_seconds
from rxcandles.simulator.socketrules import SocketRules
from rxcandles.simulator.talk import Reader, Said, Shown, Text

__all__ = ["BINANCE_RULES", "BinanceTalk", "binance_talk"]

BINANCE_RULES: Final = SocketRules(
    connects=(300, 300.0), messages=((5, 1.0),), max_age=86_400.0, age_code=1001, ping=20.0, pong=60.0
)
"""Documented; with which code an old connection is closed is not."""

_KLINE: Final = re.compile(r"([a-z0-9]+)@kline_(\w+)(?:@([+-]\d\d:\d\d))?", re.ASCII)
_MOST_STREAMS: Final = 1024
_TRADES_A_SECOND: Final = 1000
"""Numbers of trades are so many a second, whether made or not, so that each candle has its own."""


@attrs.define
class _Asked:
    """A stream, and what of it was shown last. ``window`` is the slot that has not been closed yet."""

    name: str
    symbol: str
    timeframe: Timeframe
    label: str
    window: int
    row: str = ""

    @property
    def every(self) -> float:
        """Seconds from one look at the candle to the next."""
        return 1.0 if self.timeframe.seconds == 1 else 2.0


class BinanceTalk:
    """Binance's side of one connection. ``combined``: each event is sent with the name of its stream."""

    binary = False

    def __init__(self, reader: Reader, names: list[str], combined: bool, closed_after: float, now: float) -> None:
        self.subscribed = 0
        self._reader = reader
        self._combined = combined
        self._closed_after = closed_after
        self._names: dict[str, _Asked | None] = {}
        self._looked = now
        if names:
            self._subscribe(names, now)

    def heard(self, text: str, now: float) -> Iterable[Said]:
        """Do what a message asks for, and acknowledge it."""
        try:
            asked = loads(text)
            method, params, number = asked["method"], asked.get("params", []), asked.get("id")
        except (JSONDecodeError, RecursionError, TypeError, KeyError):
            return (_error(None, "Invalid JSON: expected an object with a method and an id"),)
        if number is not None and not isinstance(number, int | str):
            return (_error(None, "Invalid request: request ID must be an integer or a string"),)
        if not isinstance(params, list):
            return (_error(number, "Invalid request: params must be an array"),)
        result: Any = None
        if method in ("SUBSCRIBE", "UNSUBSCRIBE"):
            if not all(isinstance(name, str) for name in params):
                return (_error(number, "Invalid request: params must be an array of strings"),)
            if method == "SUBSCRIBE":
                if len({*self._names, *params}) > _MOST_STREAMS:
                    return (_error(number, f"Invalid request: more than {_MOST_STREAMS} streams"),)
                self._subscribe(params, now)
            else:
                for name in params:
                    self._names.pop(name, None)
        elif method == "LIST_SUBSCRIPTIONS":
            result = list(self._names)
        elif method == "SET_PROPERTY" and params[:1] == ["combined"] and len(params) == 2:
            self._combined = params[1] is True
        elif method == "GET_PROPERTY" and params == ["combined"]:
            result = self._combined
        else:
            return (_error(number, f"Invalid request: unknown method {method!r}"),)
        return (Text(_json({"result": result, "id": number})),)

    def shown(self, now: float) -> list[Shown]:
        """Return the candles that have ended, and those that have changed since they were looked at."""
        if now <= self._looked:
            return []
        before, self._looked = self._looked, now
        return [shown for asked in self._streams for shown in self._news(asked, before, now)]

    def stands(self, now: float, previous: bool = False) -> list[Shown]:
        """Return what all subscriptions stand at, or the candle before."""
        found = []
        for asked in self._streams:
            rows = self._reader.newest(asked.symbol, asked.timeframe, 1 + previous, now)
            if rows:
                found.append(self._shown(asked, rows[-1], closed=previous))
        return found

    def beats(self, now: float) -> Iterable[Said]:
        """Say nothing: pings are all."""
        return ()

    def due(self, now: float) -> float:
        """Return when the next candle ends or is looked at."""
        return min((self._due(asked) for asked in self._streams), default=inf)

    def write(self, shown: Shown, now: float) -> str | bytes:
        """Return the event that shows a candle."""
        if shown.raw is not None:
            return shown.raw
        opens = round(shown.open_time * 1000)
        closes = shown.timeframe.shift(shown.timeframe.floor(shown.open_time), 1) * 1000 - 1
        first = int(shown.open_time) * _TRADES_A_SECOND if shown.trades else -1
        last, closed = first + shown.trades - 1 if shown.trades else -1, "true" if shown.closed else "false"
        event = (
            f'{{"e":"kline","E":{int(now * 1000)},"s":"{shown.symbol}","k":{{"t":{opens},"T":{closes},'
            f'"s":"{shown.symbol}","i":"{shown.label}","f":{first},"L":{last},'
            f'"o":"{shown.open}","c":"{shown.close}","h":"{shown.high}","l":"{shown.low}","v":"{shown.volume}",'
            f'"n":{shown.trades},"x":{closed},"q":"{shown.turnover}","V":"{shown.taker_volume}",'
            f'"Q":"{shown.taker_turnover}","B":"0"}}}}'
        )
        return f'{{"stream":"{shown.stream}","data":{event}}}' if self._combined else event

    def farewell(self, now: float) -> Text | None:
        """Return the event that announces that the server will go."""
        return Text(_json({"e": "serverShutdown", "E": int(now * 1000)}))

    def lose(self, symbols: frozenset[str] | None) -> None:
        """Forget subscriptions; the list of them still names all."""
        for name, asked in self._names.items():
            if asked is not None and (symbols is None or asked.symbol in symbols):
                self._names[name] = None

    @property
    def _streams(self) -> list[_Asked]:
        return [asked for asked in self._names.values() if asked is not None]

    def _subscribe(self, names: Iterable[str], now: float) -> None:
        self.subscribed += 1
        for name in names:
            if self._names.get(name) is None:
                self._names[name] = _asked(name, now)

    def _due(self, asked: _Asked) -> float:
        ends = asked.timeframe.shift(asked.window, 1) + self._closed_after
        return min(ends, (self._looked // asked.every + 1) * asked.every)

    def _news(self, asked: _Asked, before: float, now: float) -> Iterator[Shown]:
        frame = asked.timeframe
        ended = frame.floor(now - self._closed_after)
        if asked.window < ended:
            for row in self._reader.rows(asked.symbol, frame, asked.window, now):
                if self._reader.form.opened(row) < ended:
                    yield self._shown(asked, row, closed=True)
            asked.window = ended
        if before // asked.every == now // asked.every or frame.floor(now) != asked.window:
            return
        for row in self._reader.rows(asked.symbol, frame, asked.window, now):
            if row != asked.row:
                asked.row = row
                yield self._shown(asked, row, closed=False)

    def _shown(self, asked: _Asked, row: str, closed: bool) -> Shown:
        opens, first, high, low, last, volume, closes, turnover, trades, taken, cost, _ = row[1:-1].split(",")
        return Shown(
            asked.symbol,
            asked.timeframe,
            asked.label,
            int(opens) / 1000,
            first[1:-1],
            high[1:-1],
            low[1:-1],
            last[1:-1],
            volume[1:-1],
            turnover[1:-1],
            int(closes),
            closed=closed,
            stream=asked.name,
            trades=int(trades),
            taker_volume=taken[1:-1],
            taker_turnover=cost[1:-1],
        )


def binance_talk(reader: Reader, path: str, query: str, closed_after: float, now: float) -> BinanceTalk | None:
    """Return what a WebSocket at ``path`` talks; None where there is none."""
    if path == "/stream":
        return BinanceTalk(reader, _parts(parse_qs(query).get("streams", [""])[0]), True, closed_after, now)
    if path == "/ws" or path.startswith("/ws/"):
        return BinanceTalk(reader, _parts(path.removeprefix("/ws")), False, closed_after, now)
    return None


def _parts(text: str) -> list[str]:
    return [part for part in text.split("/") if part]


def _asked(name: str, now: float) -> _Asked | None:
    """The stream of a name; None where no candles come of it."""
    found = _KLINE.fullmatch(name)
    ahead = 0 if found is None or found[3] is None else zone_seconds(found[3])
    frame = None if found is None or ahead is None else interval(found[2], ahead)
    if found is None or frame is None:
        return None
    return _Asked(name, found[1].upper(), frame, found[2], frame.floor(now))


def _error(number: object, message: str) -> Text:
    return Text(_json({"error": {"code": 2, "msg": message}, "id": number}))


def _json(value: object) -> str:
    return dumps(value, separators=(",", ":"))
