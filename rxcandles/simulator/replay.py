"""Recorded answers, served again."""

from __future__ import annotations

import os
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from rxcandles.errors import RequestError
from rxcandles.model import Row
from rxcandles.model.timeframe import Timeframe, from_datetime
from rxcandles.simulator.market import Served
from rxcandles.util.arguments import check_each, check_path, refusal

__all__ = ["Replay"]

Body: TypeAlias = str | bytes
_Raw: TypeAlias = dict[str, msgspec.Raw]

_NAMED: Final = {"seconds": "1s", "days": "1d", "weeks": "1w", "months": "1M", "years": "1y"}
_FIELDS: Final = (
    "opening_price", "high_price", "low_price", "trade_price",
    "candle_acc_trade_volume", "candle_acc_trade_price",
)  # fmt: skip
_CHANGES: Final = ("prev_closing_price", "change_price", "change_rate")
_decode = msgspec.json.Decoder(list[_Raw]).decode


class Replay:
    """A market whose candles come from recorded answers, for a simulator to serve in pages of any size.

    ``recorded`` is a folder (its ``*.json`` files), a file, or the bodies themselves: JSON arrays of candles, in any
    order and overlapping as they will; of two candles with one open time the later body's is kept. Each value is
    served as it was recorded, without the space around it. The kind of candle follows from the fields; where a file
    of weeks, months or years leaves a doubt, from its name (``…months…``), or from ``timeframe``, which holds for all
    bodies. ``market`` picks one where several were recorded. There are no candles but the recorded ones:
    whatever is older or of another kind is an empty page.

    :class:`RequestError` where nothing was recorded, a market has to be chosen or a kind can't be told.
    """

    def __init__(
        self,
        recorded: str | Path | Iterable[Body],
        *,
        market: str | None = None,
        timeframe: str | Timeframe | None = None,
        english_name: str = "",
        korean_name: str = "",
    ) -> None:
        frame = None if timeframe is None else Timeframe.of(timeframe)
        found: dict[str, dict[Timeframe, dict[int, str]]] = {}
        for name, body in _bodies(recorded):
            candles = _candles(name, body)
            by_market: dict[str, list[_Raw]] = {}
            for candle in candles:
                by_market.setdefault(_text(candle["market"]), []).append(candle)
            for symbol, some in by_market.items():
                kept = found.setdefault(symbol, {}).setdefault(frame or _kind(name, some), {})
                kept.update((_opened(candle), _compact(candle)) for candle in some)
        if market is None and len(found) != 1:
            raise RequestError(f"{len(found)} markets were recorded ({', '.join(found)}); choose one with market=…")
        self.symbol = next(iter(found)) if market is None else market
        if not isinstance(market, str | None) or self.symbol not in found:
            raise refusal("market", market, f"take one that was recorded: {', '.join(found) or 'there is none'}")
        self.english_name = english_name or self.symbol
        self.korean_name = korean_name or self.symbol
        self._series = {
            frame: (sorted(texts), [texts[time] for time in sorted(texts)])
            for frame, texts in found[self.symbol].items()
        }

    @property
    def timeframes(self) -> list[Timeframe]:
        """The kinds of candle that were recorded, shortest first."""
        return sorted(self._series, key=lambda frame: frame.seconds or frame.months * 30 * 86_400)

    def known(self, now: float) -> bool:
        """Whether the market is listed: always."""
        return True

    def newest(self, timeframe: Timeframe, to: float, count: int, now: float) -> Served:
        """Return the newest ``count`` recorded candles that open before ``to``, and not after ``now``."""
        opens, texts = self._series.get(timeframe, ([], []))
        stop = bisect_left(opens, min(to, timeframe.floor(now) + 1))
        some = texts[max(0, stop - count) : stop][::-1]
        return Served(f"[{','.join(some)}]", len(some))

    def rows(self, timeframe: str | Timeframe, start: float, stop: float, now: float | None = None) -> list[Row]:
        """Return the recorded candles that open in ``[start, stop)``, oldest first, none after ``now``."""
        frame = Timeframe.of(timeframe)
        opens, texts = self._series.get(frame, ([], []))
        stop = stop if now is None else min(stop, frame.floor(now) + 1)
        return [
            _row(time, text)
            for time, text in zip(opens, texts, strict=True)
            if start <= time < stop
        ]  # fmt: skip


def _bodies(recorded: str | Path | Iterable[Body]) -> Iterator[tuple[str, Body]]:
    """The bodies with the names of their files; a text that holds JSON is a body, any other a path."""
    if isinstance(recorded, (str, Path)):
        path = Path(check_path("recorded", recorded))
        paths = sorted(path.glob("*.json")) if os.path.isdir(path) else [path]
        if not paths or not os.path.isfile(paths[0]):
            raise refusal("recorded", recorded, "give a file, or a folder with *.json files")
        yield from ((each.name, each.read_bytes()) for each in paths)
    else:
        yield from check_each("recorded", recorded, _body)


def _body(name: str, body: Body) -> tuple[str, Body]:
    if not isinstance(body, str | bytes):
        raise refusal(name, body, "give the body of an answer, as bytes or a str")
    return "", body


def _candles(name: str, body: Body) -> list[_Raw]:
    try:
        candles = _decode(body)
        if not all("market" in candle and "candle_date_time_utc" in candle for candle in candles):
            raise RequestError(f"{name or 'a body'} holds something else than candles; leave it out")
    except msgspec.DecodeError as problem:
        raise RequestError(f"{name or 'a body'} is no JSON array of candles: {problem}") from problem
    return candles


def _kind(name: str, candles: list[_Raw]) -> Timeframe:
    """The timeframe of candles of one market."""
    first = candles[0]
    if "unit" in first:
        return Timeframe.of(f"{int(bytes(first['unit']))}m")
    if "prev_closing_price" in first:
        return Timeframe.of("1d")
    if "first_day_of_period" not in first:
        return Timeframe.of("1s")
    named = [frame for word, frame in _NAMED.items() if re.search(word, name)]
    if len(named) == 1:
        return Timeframe.of(named[0])
    opens = [_opened(candle) for candle in candles]
    fitting = [
        frame for frame in map(Timeframe.of, ("1w", "1M", "1y")) if all(frame.floor(time) == time for time in opens)
    ]
    if len(fitting) != 1:
        raise RequestError(
            f"{name or 'a body'} may hold {' or '.join(map(str, fitting)) or 'no'} candles; say which with timeframe=…"
        )
    return fitting[0]


def _text(raw: msgspec.Raw) -> str:
    return msgspec.json.decode(raw, type=str)


def _opened(candle: _Raw) -> int:
    return int(from_datetime(datetime.fromisoformat(_text(candle["candle_date_time_utc"]))))


def _compact(candle: _Raw) -> str:
    return f"{{{','.join(f'{chr(34)}{name}{chr(34)}:{bytes(raw).decode()}' for name, raw in candle.items())}}}"


def _row(open_time: int, text: str) -> Row:
    values = msgspec.json.decode(text, type=dict[str, str | int | float | None])
    numbers = (values[name] for name in _FIELDS)
    changes = (values.get(name) for name in _CHANGES)
    return Row._make((open_time, *numbers, values["timestamp"], *changes))
