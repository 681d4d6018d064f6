"""Find which column of a source is which, by the names that people and tools give them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Final

import attrs

from rxcandles.errors import RequestError
from rxcandles.interchange.reading.other_columns import is_numbered
from rxcandles.interchange.tools import known_tools
from rxcandles.interchange.vocabulary.column_names import (
    CLOCKS,
    CLOSES,
    EXCHANGES,
    LETTERS,
    MARKETS,
    NAMELESS,
    NEEDED,
    TIMEFRAMES,
    TIMES,
    VALUES,
    ZONES,
    plain,
)
from rxcandles.interchange.vocabulary.zones import zone_named
from rxcandles.stores.sql.columns import COLUMNS
from rxcandles.util.arguments import refusal, shown

__all__ = ["MARKET", "ColumnMap", "TimeColumn", "check_columns", "field_called", "find_columns"]

MARKET: Final = "market"
"""The key in ``columns`` for the column with the market."""

_KOREAN: Final = re.compile("[가-힣]")
_MOST: Final = 10_000
"""The most columns of a source."""


@attrs.frozen
class TimeColumn:
    """A column that may have the open time, or a part of it."""

    name: str
    zone: tzinfo | None
    """The zone in its name."""
    unclear: str | None
    """The part of its name that is an ambiguous zone."""
    clock: bool
    """Whether it may have a time of day."""
    stamp: bool
    """Whether it may be the time of a trade instead."""
    nameless: bool
    """Whether it is an index of pandas without a name."""


@attrs.frozen
class ColumnMap:
    """Which columns of a source are read, and as what."""

    times: tuple[TimeColumn, ...]
    values: tuple[tuple[str, str], ...]
    """Our column and the source's, in our order."""
    zones: tuple[str, ...]
    """Columns with the zone of each row's times."""
    markets: tuple[str, ...]
    """Columns with the market of each row."""
    frames: tuple[str, ...]
    """Columns with the timeframe of each row."""
    exchanges: tuple[str, ...]
    """Columns with the exchange."""
    others: tuple[str, ...]
    """Columns that candles do not need, with words, or with numbers that may be those of a timeframe."""
    close_time: str | None
    """The column with the end of each candle, as Binance has it."""
    stamp_is_trade: bool
    """Whether ``timestamp`` is the time of the last trade, as in Upbit's answers."""
    hints: tuple[str, ...]
    """Reasons why its times, if they have no zone, may be Korean."""

    @property
    def names(self) -> tuple[str, ...]:
        """All columns that are read, in the order in which rows are checked."""
        close = () if self.close_time is None else (self.close_time,)
        theirs = (name for _, name in self.values)
        named = (*self.zones, *self.markets, *self.frames, *self.exchanges, *self.others)
        return (*(each.name for each in self.times), *named, *close, *theirs)


def field_called(name: str) -> str | None:
    """Return which value of a candle a name in a header stands for, or None."""
    name = plain(name)
    return next((field for field, aliases in _aliases().items() if name in aliases), None)


def check_columns(columns: Mapping[str, str] | None) -> Mapping[str, str]:
    """Return the mapping from our column names to the source's; raise :class:`RequestError` if it is invalid."""
    if columns is None:
        return {}
    if not isinstance(columns, Mapping) or not all(isinstance(name, str) for name in columns.values()):
        raise refusal("columns", columns, "give a mapping such as {'open_time': 'Date'}")
    for name in columns:
        if name not in (*COLUMNS, MARKET):
            raise refusal("columns", name, f"its keys are of {', '.join(COLUMNS)}, {MARKET}")
    return columns


def find_columns(
    names: Sequence[str], where: str, columns: Mapping[str, str], symbol: str, texts: Sequence[str] = ()
) -> ColumnMap:
    """Return which of the columns ``names`` is which; raise :class:`RequestError` that says what is missing.

    * ``columns``: those that the caller names.
    * ``texts``: those that contain words.
    """
    if len(names) > _MOST:
        raise RequestError(f"{where} has {len(names):,} columns; leave those of the candles")
    if not names:
        raise RequestError(f"{where} has no columns; there is nothing to import")
    header = _Header(names, where, columns)
    values = header.values(symbol)
    times = header.times()
    header.check_complete(values, times)
    values |= header.stamp(times)
    tools = [each for each in known_tools() if each.has_columns(names)]
    frames = TIMEFRAMES.union(*(each.timeframe_columns for each in tools))
    column_map = ColumnMap(
        times=times,
        values=tuple((field, values[field]) for field in COLUMNS[1:] if field in values),
        zones=header.named(ZONES),
        markets=header.markets(),
        frames=header.named(frames),
        exchanges=header.named(EXCHANGES),
        others=(),
        close_time=header.close_time(),
        stamp_is_trade=any(each.stamp_is_trade for each in tools),
        hints=_hints(names, [*values.values(), *(each.name for each in times)]),
    )
    return header.with_others(column_map, texts)


class _Header:
    """The columns of a source by their plain names, and those that the caller names."""

    def __init__(self, names: Sequence[str], where: str, columns: Mapping[str, str]) -> None:
        self._names = names
        self._where = where
        self._asked = {field: self._column(name, field) for field, name in columns.items()}
        self._taken = set(self._asked.values())
        self._known: dict[str, list[str]] = {}
        for name in names:
            self._known.setdefault(plain(name), []).append(name)

    def _column(self, name: str, field: str) -> str:
        if name in self._names:
            return name
        # By its position, as in a file without a header.
        if re.fullmatch(r"\d{1,5}", name, re.ASCII) and 1 <= int(name) <= len(self._names):
            return self._names[int(name) - 1]
        raise RequestError(
            f"{self._where}: there is no column {shown(name)} for {field}; its columns are {_list(self._names)}"
        )

    def named(self, names: frozenset[str]) -> tuple[str, ...]:
        """Return the columns that have one of these names and no other role."""
        return tuple(name for key in sorted(names) for name in self._known.get(key, ()) if name not in self._taken)

    def values(self, symbol: str) -> dict[str, str]:
        """Return the columns of the values, by our names."""
        values: dict[str, str] = {}
        for field, aliases in _aliases(symbol).items():
            if field in self._asked:
                values[field] = self._asked[field]
            elif names := [name for each in aliases for name in self._known.get(each, ()) if name not in self._taken]:
                values[field] = self._only(list(dict.fromkeys(names)), field)
        if not any(field in values for field in LETTERS):
            values |= {field: self._known[letter][0] for field, letter in LETTERS.items() if letter in self._known}
        return values

    def _only(self, names: list[str], field: str) -> str:
        if len(names) > 1:
            raise RequestError(
                f"{self._where}: {' and '.join(map(repr, names[:3]))} may both be {field}; say which with columns"
                f" (--columns), such as {field}={names[0]}"
            )
        return names[0]

    def times(self) -> tuple[TimeColumn, ...]:
        """Return the columns that may have the open time, the most reliable first."""
        theirs = [plain(name) for tool in known_tools() for name in tool.columns.get("open_time", ())]
        places = {alias: place for place, alias in enumerate((*theirs, *TIMES))}
        taken = {name for field, name in self._asked.items() if field != "open_time"}
        asked = self._asked.get("open_time")
        columns: list[tuple[int, TimeColumn]] = []
        for name in self._names:
            zoned = zone_named(name)
            bare = re.sub(r"[()\[\]]", "", plain(zoned.rest)) if zoned.rest != name else plain(name)
            if bare == "" and plain(name) != "":
                bare = "opentime"  # its name is that of a zone
            is_asked = asked == name
            if name in taken or not (is_asked or bare in places):
                continue
            is_clock = bare in CLOCKS and not is_asked
            if asked is not None and not (is_asked or is_clock):
                continue
            is_stamp = bare == "timestamp" and not is_asked
            column = TimeColumn(name, zoned.zone, zoned.unclear, is_clock, is_stamp, bare in NAMELESS)
            columns.append((-1 if is_asked else places[bare], column))
        ordered = [column for _, column in sorted(columns, key=lambda each: each[0])]
        # A numbering that pandas writes beside a time is not a time.
        return tuple([each for each in ordered if not each.nameless or each.name == asked] or ordered)

    def check_complete(self, values: Mapping[str, str], times: Sequence[TimeColumn]) -> None:
        """Raise :class:`RequestError` if a value of a candle has no column."""
        missing = ([] if times else ["open_time"]) + [field for field in NEEDED[1:] if field not in values]
        if missing:
            raise RequestError(
                f"{self._where}: its columns are {_list(self._names)}, which have no {', '.join(missing)}; rename them,"
                f" or say which is which with columns (--columns), such as {missing[0]}=Name"
            )

    def stamp(self, times: Sequence[TimeColumn]) -> dict[str, str]:
        """Return the column with the time of the last trade, if there is one beside the open time."""
        if "timestamp" in self._asked:
            return {"timestamp": self._asked["timestamp"]}
        names = self._known.get("timestamp", ())
        return {"timestamp": names[0]} if names and len(times) > 1 and self._asked.get("open_time") != names[0] else {}

    def markets(self) -> tuple[str, ...]:
        """Return the columns with the market of each row."""
        return (self._asked[MARKET],) if MARKET in self._asked else self.named(MARKETS)

    def close_time(self) -> str | None:
        """Return the column with the end of each candle, whether or not its name contains a zone."""
        bare: dict[str, list[str]] = {}
        for name in self._names:
            bare.setdefault(re.sub(r"[()\[\]]", "", plain(zone_named(name).rest)), []).append(name)
        names = (name for key in sorted(CLOSES) for name in bare.get(key, ()) if name not in self._taken)
        return next(names, None)

    def with_others(self, column_map: ColumnMap, texts: Sequence[str]) -> ColumnMap:
        """Add the columns that candles do not need; raise if a column that is read exists more than once."""
        counted = Counter(self._names)
        read = {plain(name) for name in column_map.names} | set(column_map.names)
        others = tuple(
            name
            for name in self._names
            if (name in texts or is_numbered(name))
            and counted[name] == 1
            and name not in read
            and plain(name) not in read
        )
        column_map = attrs.evolve(column_map, others=others)
        if doubled := [name for name in column_map.names if counted[name] > 1]:
            raise RequestError(f"{self._where}: column {doubled[0]!r} is there more than once; name each once")
        return column_map


def _aliases(symbol: str = "") -> dict[str, tuple[str, ...]]:
    """Return the names of values, with the tools' and those with a currency: ``Volume BTC`` is ``KRW-BTC``'s volume."""
    aliases = dict(VALUES)
    for tool in known_tools():
        aliases = {field: (*names, *map(plain, tool.columns.get(field, ()))) for field, names in aliases.items()}
    quote, _, base = symbol.casefold().partition("-")
    if base:
        aliases["volume"] += tuple(f"{word}{form}" for word in ("volume", "vol") for form in (base, f"({base})"))
        aliases["turnover"] += tuple(f"{word}{form}" for word in ("volume", "vol") for form in (quote, f"({quote})"))
    return aliases


def _hints(names: Sequence[str], chosen: Sequence[str]) -> tuple[str, ...]:
    """Return the reasons why times without a zone may be Korean."""
    korean = ["its headings are Korean"] if any(_KOREAN.search(name) for name in chosen) else []
    return (*korean, *(hint for tool in known_tools() if (hint := tool.korean_hint(names))))


def _list(names: Sequence[str]) -> str:
    return ", ".join(map(shown, names)) if len(names) <= 20 else f"{', '.join(map(shown, names[:20]))}, …"
