"""Which column of a source is which, by the names that tools and people give them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Final

import attrs

from rxcandles.errors import RequestError
from rxcandles.interchange.reading.asides import is_numbered
from rxcandles.interchange.reading.zones import zone_named
from rxcandles.stores.sqlite.schema import COLUMNS
from rxcandles.util.arguments import refusal, shown

__all__ = ["MARKET", "NEEDED", "Shape", "TimeColumn", "check_columns", "field_called", "plain", "shape_of"]

NEEDED: Final = COLUMNS[: COLUMNS.index("volume") + 1]
"""What every source must have."""

MARKET: Final = "market"
"""The name by which ``columns`` says which column has the market."""

_VALUES: Final[Mapping[str, tuple[str, ...]]] = {
    "open": ("open", "openingprice", "openprice", "시가", "시작가"),
    "high": ("high", "highprice", "고가", "최고가"),
    "low": ("low", "lowprice", "저가", "최저가"),
    "close": ("close", "tradeprice", "closingprice", "closeprice", "종가", "현재가"),
    "volume": (
        "volume", "vol", "candleacctradevolume", "acctradevolume", "accumulatedtradevolume", "volumefrom", "거래량",
        "누적거래량",
    ),
    "turnover": (
        "turnover", "value", "candleacctradeprice", "acctradeprice", "accumulatedtradeprice", "quotevolume",
        "quoteassetvolume", "volumeto", "거래대금", "거래금액", "누적거래대금", "누적거래금액",
    ),
    **{name: (name.replace("_", ""),) for name in COLUMNS[COLUMNS.index("timestamp") + 1 :]},
}  # fmt: skip
"""Names by which a value is known, plain: whatever their case, without spaces and underscores."""

_LETTERS: Final = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}
"""How WebSockets call them; so only where no column has a whole name."""

_TIMES: Final = (
    "opentime", "timeopen", "candledatetime", "datetime", "date", "time", "opendate", "opentimestamp", "unix",
    "unixtime", "unixtimestamp", "epoch", "starttime", "start", "day",
    "일시", "날짜", "일자", "시간", "시각", "기준시각", "기준일시", "캔들시각", "캔들기준시각", "체결시간", "체결시각",
    "거래일시", "거래일", "거래일자", "영업일자",
    "tradedate", "ts", "t", "", "index", "level0", "unnamed:0", "timestamp",
)  # fmt: skip
"""Names of columns that may have the open time, the most trustworthy first."""

_NAMELESS: Final = frozenset({"", "index", "level0", "unnamed:0"})
"""What pandas calls an index that has no name."""
_CLOCKS: Final = frozenset({"time", "시간", "시각", "체결시간", "체결시각"})
"""Those of them that may have a time of day beside a date."""
_MARKETS: Final = frozenset({
    "market", "symbol", "ticker", "tic", "code", "pair", "instrument", "product", "productid", "instid", "marketcode",
    "coin", "base", "마켓", "종목", "종목코드", "티커", "코인",
})  # fmt: skip
_FRAMES: Final = frozenset({"timeframe", "interval", "tf", "period", "resolution", "granularity", "주기", "봉"})
_EXCHANGES: Final = frozenset({"exchange", "venue", "거래소"})
_ZONES: Final = frozenset({
    "timezone", "tz", "zone", "utcoffset", "gmtoffset", "tzoffset", "timezoneoffset", "tzname", "timezonename",
    "offset", "시간대", "표준시", "타임존",
})  # fmt: skip
_CLOSES: Final = frozenset({
    "closetime", "timeclose", "endtime", "timeend", "end", "closedate", "enddate", "closetimestamp", "endtimestamp",
    "종료시각", "종료시간", "마감시각",
})  # fmt: skip
_KOREAN: Final = re.compile("[가-힣]")
_MOST: Final = 10_000


@attrs.frozen
class TimeColumn:
    """A column that may have the open time, or a part of it."""

    name: str
    zone: tzinfo | None
    """The zone that its name says."""
    unclear: str | None
    """What its name says of a zone that nobody can tell for sure."""
    clock: bool
    """Whether it may have a time of day."""
    stamp: bool
    """Whether it may be the time of a trade instead."""
    nameless: bool


@attrs.frozen
class Shape:
    """Which columns of a source are read, and as what."""

    times: tuple[TimeColumn, ...]
    values: tuple[tuple[str, str], ...]
    """Our column and theirs, in the order of ours."""
    zones: tuple[str, ...]
    """Columns that name the zone of each row's times."""
    markets: tuple[str, ...]
    """Columns that name the market of each row."""
    frames: tuple[str, ...]
    """Columns that name the timeframe of each row."""
    exchanges: tuple[str, ...]
    """Columns that name the exchange."""
    asides: tuple[str, ...]
    """Columns that no candle needs, and that have words, or numbers that may be those of a timeframe."""
    close_time: str | None
    """The column with the end of each candle, as Binance has it."""
    stamp_is_trade: bool
    """Whether ``timestamp`` is that of the last trade, as in what Upbit sends."""
    hints: tuple[str, ...]
    """Why its times, where they have no zone, may be Korean."""

    @property
    def names(self) -> tuple[str, ...]:
        """All that is read, in the order in which the gate takes it."""
        close = () if self.close_time is None else (self.close_time,)
        theirs = (name for _, name in self.values)
        said = (*self.zones, *self.markets, *self.frames, *self.exchanges, *self.asides)
        return (*(each.name for each in self.times), *said, *close, *theirs)


def plain(name: str) -> str:
    """Return a name without case, spaces and marks."""
    return re.sub(r"[\s_\-<>\"'.]", "", name).casefold()


def field_called(name: str) -> str | None:
    """Return which value of a candle a name stands for in a header, or None."""
    name = plain(name)
    return next((field for field, aliases in _VALUES.items() if name in aliases), None)


def check_columns(columns: Mapping[str, str] | None) -> Mapping[str, str]:
    """Return a mapping of our columns' names to others, or raise :class:`RequestError`."""
    if columns is None:
        return {}
    if not isinstance(columns, Mapping) or not all(isinstance(name, str) for name in columns.values()):
        raise refusal("columns", columns, "give a mapping such as {'open_time': 'Date'}")
    for name in columns:
        if name not in (*COLUMNS, MARKET):
            raise refusal("columns", name, f"its keys are of {', '.join(COLUMNS)}, {MARKET}")
    return columns


def shape_of(
    found: Sequence[str], where: str, columns: Mapping[str, str], symbol: str, texts: Sequence[str] = ()
) -> Shape:
    """Return which of the columns ``found`` is which, or raise :class:`RequestError` that says what was wanted."""
    if len(found) > _MOST:
        raise RequestError(f"{where} has {len(found):,} columns; leave those of the candles")
    if not found:
        raise RequestError(f"{where} has no columns; there is nothing to import")
    asked = {field: _column(found, name, field, where) for field, name in columns.items()}
    taken = set(asked.values())
    known: dict[str, list[str]] = {}
    for name in found:
        known.setdefault(plain(name), []).append(name)
    counted = Counter(found)
    chosen: dict[str, str] = {}
    for field, aliases in _values_of(symbol).items():
        if field in asked:
            chosen[field] = asked[field]
        elif names := [name for alias in aliases for name in known.get(alias, ()) if name not in taken]:
            chosen[field] = _only(list(dict.fromkeys(names)), field, where)
    if not any(field in chosen for field in _LETTERS):
        chosen |= {field: known[letter][0] for field, letter in _LETTERS.items() if letter in known}
    times = _times(found, asked)
    if missing := [field for field in NEEDED[1:] if field not in chosen]:
        missing = ([] if times else ["open_time"]) + missing
    elif not times:
        missing = ["open_time"]
    if missing:
        raise RequestError(
            f"{where}: its columns are {_list(found)}, which have no {', '.join(missing)}; rename them, or say which is"
            f" which with columns (--columns), such as {missing[0]}=Name"
        )
    upbits = bool({"openingprice", "tradeprice", "candleacctradeprice", "candleacctradevolume"} & known.keys())
    if "timestamp" in asked:
        chosen["timestamp"] = asked["timestamp"]
    elif "timestamp" in known and len(times) > 1 and asked.get("open_time") != known["timestamp"][0]:
        chosen["timestamp"] = known["timestamp"][0]
    bare: dict[str, list[str]] = {}
    for name in found:
        bare.setdefault(re.sub(r"[()\[\]]", "", plain(zone_named(name).rest)), []).append(name)
    markets = tuple(name for key in _MARKETS for name in known.get(key, ()))
    shape = Shape(
        times=times,
        values=tuple((field, chosen[field]) for field in COLUMNS[1:] if field in chosen),
        zones=_there(known, _ZONES, taken),
        markets=(asked[MARKET],) if MARKET in asked else tuple(name for name in markets if name not in taken),
        frames=_there(known, _FRAMES | {"unit"} if upbits else _FRAMES, taken),
        exchanges=_there(known, _EXCHANGES, taken),
        asides=(),
        close_time=next(iter(_there(bare, _CLOSES, taken)), None),
        stamp_is_trade=upbits,
        hints=_hints(found, known, [*chosen.values(), *(each.name for each in times)]),
    )
    read = {plain(name) for name in shape.names} | set(shape.names)
    asides = [name for name in found if name in texts or is_numbered(name)]
    kept = tuple(name for name in asides if counted[name] == 1 and name not in read and plain(name) not in read)
    shape = attrs.evolve(shape, asides=kept)
    if doubled := [name for name in shape.names if counted[name] > 1]:
        raise RequestError(f"{where}: column {doubled[0]!r} is there more than once; name each once")
    return shape


def _values_of(symbol: str) -> dict[str, tuple[str, ...]]:
    """The names of values, with those that name a currency: ``Volume BTC`` is the volume of ``KRW-BTC``."""
    quote, _, base = symbol.casefold().partition("-")
    aliases = dict(_VALUES)
    if base:
        aliases["volume"] += tuple(f"{word}{form}" for word in ("volume", "vol") for form in (base, f"({base})"))
        aliases["turnover"] += tuple(f"{word}{form}" for word in ("volume", "vol") for form in (quote, f"({quote})"))
    return aliases


def _column(found: Sequence[str], name: str, field: str, where: str) -> str:
    if name in found:
        return name
    # By its place, as in a file without a header.
    if re.fullmatch(r"\d{1,5}", name, re.ASCII) and 1 <= int(name) <= len(found):
        return found[int(name) - 1]
    raise RequestError(f"{where}: there is no column {shown(name)} for {field}; its columns are {_list(found)}")


def _only(names: list[str], field: str, where: str) -> str:
    if len(names) > 1:
        raise RequestError(
            f"{where}: {' and '.join(map(repr, names[:3]))} may both be {field}; say which with columns (--columns),"
            f" such as {field}={names[0]}"
        )
    return names[0]


def _times(found: Sequence[str], asked: Mapping[str, str]) -> tuple[TimeColumn, ...]:
    places = {alias: place for place, alias in enumerate(_TIMES)}
    taken = {name for field, name in asked.items() if field != "open_time"}
    columns: list[tuple[int, TimeColumn]] = []
    for name in found:
        named = zone_named(name)
        bare = re.sub(r"[()\[\]]", "", plain(named.rest)) if named.rest != name else plain(name)
        if bare == "" and plain(name) != "":
            bare = "opentime"  # its name is that of a zone
        is_asked = asked.get("open_time") == name
        if name in taken or not (is_asked or bare in places):
            continue
        is_clock = bare in _CLOCKS and not is_asked
        if "open_time" in asked and not (is_asked or is_clock):
            continue
        column = TimeColumn(
            name, named.zone, named.unclear, is_clock, bare == "timestamp" and not is_asked, bare in _NAMELESS
        )
        columns.append((-1 if is_asked else places[bare], column))
    ordered = [column for _, column in sorted(columns, key=lambda each: each[0])]
    whole = [each for each in ordered if not each.nameless or each.name == asked.get("open_time")]
    # A numbering that pandas wrote beside a time is none.
    return tuple(whole or ordered)


def _there(known: Mapping[str, list[str]], keys: frozenset[str], taken: set[str]) -> tuple[str, ...]:
    return tuple(name for key in sorted(keys) for name in known.get(key, ()) if name not in taken)


def _hints(found: Sequence[str], known: Mapping[str, list[str]], chosen: Sequence[str]) -> tuple[str, ...]:
    hints = []
    if any(_KOREAN.search(name) for name in chosen):
        hints.append("its headings are Korean")
    if "value" in known:
        hints.append("it has a column 'value' as pyupbit's frames have")
    elif found and plain(found[0]) in _NAMELESS and not {plain(name) for name in found[1:]} & set(_TIMES):
        hints.append("its index has no name, as in pyupbit's frames")
    return tuple(hints)


def _list(names: Sequence[str]) -> str:
    return ", ".join(map(shown, names)) if len(names) <= 20 else f"{', '.join(map(shown, names[:20]))}, …"
