"""Check the columns that candles do not need: their values may show that a row is of another series."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC
from typing import Any, Final

import attrs

from rxcandles.interchange.vocabulary.market_names import names_market, same_exchange, same_market
from rxcandles.interchange.vocabulary.numbers import absent
from rxcandles.interchange.vocabulary.times import moment_of
from rxcandles.interchange.vocabulary.words import (
    QUOTES,
    coin_called,
    exchange_called,
    frame_word,
    joined_pair,
    pair_of,
)
from rxcandles.interchange.vocabulary.zones import zone_called
from rxcandles.model.timeframe import Timeframe
from rxcandles.util.arguments import shown

__all__ = ["OtherColumns", "is_numbered", "texts_among"]

_MOST: Final = 500
"""Different values above which a column is treated as free text."""
_LONGEST: Final = 40
_NUMBERED: Final = frozenset({
    "minutes", "freq", "frequency", "barsize", "step", "timeperiod", "candleunit", "candleinterval", "klineinterval",
    "duration", "unit", "timeunit", "barlength", "candletype",
})  # fmt: skip
"""Columns whose numbers are minutes or seconds of a timeframe."""
_IN_MINUTES: Final = frozenset({"minutes", "unit", "candleunit"})
_OF_MARKETS: Final = re.compile(
    r"market|symbol|ticker|pair|coin|asset|instrument|crypto|contract|token|currenc|security|product|종목|코인|마켓|자산",
    re.IGNORECASE,
)
_OF_FRAMES: Final = re.compile(
    r"frame|interval|period|resolution|granular|freq|candle|bar|minute|unit|step|duration|type|주기|봉", re.IGNORECASE
)
_OF_KINDS: Final = re.compile(r"type|class|status|state|kind|cap|rank|count|warning|event|note|memo|comment|desc", re.I)
_ZONE: Final = re.compile(r"[A-Z]{3,4}|(?:UTC|GMT)[+-]\d{1,2}(?::?\d{2})?|[A-Z][A-Za-z]+/[A-Z][A-Za-z_/]+", re.ASCII)
_CODE: Final = re.compile(r"[A-Z0-9]{2,10}(?:[-_/][A-Z0-9]{2,10})?", re.ASCII)


@attrs.frozen
class _Asked:
    """The series that a source is imported as."""

    symbol: str
    frame: Timeframe
    exchange: str | None
    quote: str
    coin: str


class OtherColumns:
    """Checks the values of these columns, each different value once."""

    def __init__(self, names: Sequence[str], symbol: str, frame: Timeframe, exchange: str | None) -> None:
        first, _, second = symbol.upper().partition("-")
        quote, coin = pair_of(first, second, sure=True) or (first, second)
        asked = _Asked(symbol, frame, exchange, quote, coin)
        self._names = names
        self._asked = asked
        self._known: list[set[str] | None] = [set() for _ in names]
        self._unread: dict[str, str] = {}

    def __call__(self, values: Sequence[Any], *, guessed: bool = False) -> str | None:
        """Return what is wrong with a row, or None; ``guessed`` if nothing states the zone of its times."""
        for at, value in enumerate(values):
            known = self._known[at]
            if known is None or (text := str(value)) in known:
                continue
            known.add(text)
            if len(known) > _MOST:
                self._known[at] = None
            if absent(value):
                continue
            name = self._names[at]
            agrees = _Reader(name, self._asked)(text.strip())
            if agrees is False:
                return (
                    f"column {name!r} says {shown(value)}, and it is to be imported as {self._asked.symbol}"
                    f" {self._asked.frame}{f' of {self._asked.exchange}' if self._asked.exchange else ''}; import it as"
                    " what it is, or leave that column out if it says something else"
                )
            if agrees is None and guessed and _ZONE.fullmatch(text.strip()) and zone_called(text) not in (None, UTC):
                return (
                    f"its times have no zone, and column {name!r} says {shown(value)}; say which with tz (--tz), such"
                    " as KST or UTC"
                )
            if agrees is None:
                self._unread.setdefault(name, text)
        return None

    def notes(self) -> list[str]:
        """Return what could not be read."""
        if not self._unread:
            return []
        told = ", ".join(f"{name!r} ({shown(text)})" for name, text in list(self._unread.items())[:5])
        more = ", …" if len(self._unread) > 5 else ""
        return [f"columns that name no market, timeframe or exchange were left out: {told}{more}"]


class _Reader:
    """Reads the values of one column."""

    def __init__(self, name: str, asked: _Asked) -> None:
        self._name = name
        self._asked = asked

    def __call__(self, text: str) -> bool | None:
        """Return whether a value agrees with the series; None if it states nothing that can be read."""
        if not text or len(text) > _LONGEST:
            return None
        readers: tuple[Callable[[str], bool | None], ...] = (self._exchange, self._market, self._frame)
        for read in readers:
            if (agrees := read(text)) is not None:
                return agrees
        is_named = _OF_MARKETS.search(self._name) and not _OF_KINDS.search(self._name)
        return False if is_named and _CODE.fullmatch(text) and not text.isdigit() else None

    def _exchange(self, text: str) -> bool | None:
        exchange = exchange_called(text)
        if exchange is None or self._asked.exchange is None:
            return None if exchange is None else True
        return same_exchange(exchange, self._asked.exchange)

    def _market(self, text: str) -> bool | None:
        asked = self._asked
        lower = self._name.casefold()
        if "quote" in lower or "counter" in lower:
            return text.upper() == asked.quote if re.fullmatch(r"[A-Za-z]{3,5}", text) else None
        if same_market(text, asked.symbol) or text.upper() == asked.coin:
            return True
        if ":" in text and exchange_called(text.split(":")[0]) and (other := self(text.split(":")[0])) is False:
            return other
        bare = re.sub(r"^(?:CRIX\.)?[A-Za-z]+[.:]", "", text)
        words = re.split(r"[-_/:]", bare)
        sure = bool(_OF_MARKETS.search(self._name))
        pair = pair_of(*words[:2], sure=sure) if len(words) >= 2 else joined_pair(bare)
        if pair is not None:
            return names_market("-".join(pair), asked.symbol) and len(words) <= 2
        if coin := coin_called(text, any_case=sure):
            return coin == asked.coin or (coin == asked.quote and not re.search(r"base|coin|asset", lower))
        if text in QUOTES:
            return text == asked.quote
        return None

    def _frame(self, text: str) -> bool | None:
        is_named = bool(_OF_FRAMES.search(self._name))
        if is_numbered(self._name) and (number := re.fullmatch(r"(\d{1,9})(?:\.0+)?", text, re.ASCII)):
            count, length = int(number[1]), self._asked.frame.seconds
            plainly = re.sub(r"[\s_\-]", "", self._name).casefold()
            lengths = {count * 60} if plainly in _IN_MINUTES else {count * 60, count, count / 1000}
            if length in lengths:
                return True
            known = {60, 180, 300, 600, 900, 1800, 3600, 14_400, 86_400, 604_800}
            return False if lengths & known and count > 0 else None
        if not is_named and not re.fullmatch(r"\d{1,3}(?:s|m|h|d|w|min|hour|day)|(?:minute|day)s?\d{1,3}", text):
            return None
        named = frame_word(text.replace(" ", ""), alone=is_named)
        return None if named is None else named[1] is self._asked.frame


def is_numbered(name: str) -> bool:
    """Return whether the numbers of a column may be those of a timeframe, by its name."""
    return re.sub(r"[\s_\-]", "", name).casefold() in _NUMBERED


def texts_among(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Return the names of the columns that contain words in some rows, rather than numbers and times."""
    texts = []
    for at, name in enumerate(names):
        values = {str(row[at]) for row in rows if at < len(row) and not absent(row[at])}
        if any(map(_is_word, values)):
            texts.append(name)
    return texts


def _is_word(text: str) -> bool:
    text = text.strip()
    if not re.search(r"[^\W\d_]", text) or text.casefold() in ("true", "false"):
        return False
    try:
        float(text)
    except ValueError:
        pass
    else:
        return False
    try:
        moment_of(text)
    except (ValueError, OverflowError):
        return True
    return False
