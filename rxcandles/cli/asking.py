"""What a command asks for: words become symbols and timeframes, ways to say how far back become the ends of a span."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any, Final

import attrs

from rxcandles.arguments import check_symbol, refusal
from rxcandles.errors import RequestError
from rxcandles.exchanges import UpbitExchange
from rxcandles.model import Request
from rxcandles.ports import Market
from rxcandles.timeframe import TIMEFRAMES, Timeframe, from_datetime, meant_by, to_datetime

__all__ = [
    "Wanted",
    "check_one",
    "ends_of",
    "ends_on",
    "has_glob",
    "read_duration",
    "read_time",
    "requests_for",
    "sorted_words",
]

UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}

WAYS: Final = ("count", "since", "last", "end")
"""The ways to say how far back, of which one is given."""

_ANY: Final = "KRW-BTC"
"""Any symbol, to check what else is asked for."""


def read_time(value: str) -> datetime:
    """Return the instant that ``value`` says in ISO 8601, in UTC where it names no zone."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise RequestError(
            f"{value!r} is no time; write it as 2024-01-31, 2024-01-31T09:00 or 2024-01-31T09:00+09:00"
        ) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def read_duration(value: str) -> timedelta:
    """Return the time that ``value`` says: a whole number and s, m, h, d or w, up to a hundred years."""
    found = re.fullmatch(r"([0-9]{1,10})([smhdw])", value, re.ASCII)
    seconds = int(found[1]) * UNITS[found[2]] if found else 0
    if not 0 < seconds <= 36_525 * 86_400:
        raise RequestError(f"{value!r} is no time to go back; write it as 90m, 24h, 30d or 8w, up to a hundred years")
    return timedelta(seconds=seconds)


def ends_of(
    count: int | None = None,
    since: datetime | None = None,
    last: timedelta | None = None,
    to: datetime | None = None,
    end: datetime | None = None,
    *,
    dashes: str = "--",
) -> dict[str, Any]:
    """Return the ``count``, ``to`` and ``end`` of a request, or ``last`` instead of an end, for :func:`ends_on`.

    ``RequestError`` names those that contradict each other.
    ``dashes`` stand before the names in errors.
    """
    values = dict(zip(WAYS, (count, since, last, end), strict=True))
    if not check_one(values, dashes=dashes):
        alone = "" if to is None else f", and {dashes}to is only one end"
        raise RequestError(
            f"nothing says how far back to go{alone}; give {', '.join(dashes + name for name in WAYS[:-1])} "
            f"or {dashes}{WAYS[-1]}"
        )
    newer = datetime.now(UTC) if to is None else to
    if since is not None:
        if since >= newer:
            until = "now" if to is None else f"{dashes}to, {_said(to)}"
            raise RequestError(f"{dashes}since is {_said(since)}, which is not before {until}; give an earlier time")
        end = since
    elif last is not None:
        if from_datetime(newer) < last.total_seconds():
            raise RequestError(
                f"{dashes}last is {_said(last)}, back to before 1970, with which time begins here; give less"
            )
        return {"to": to, "last": last}
    return {"count": count, "to": to, "end": end}


def check_one(values: Mapping[str, object], *, dashes: str = "--") -> bool:
    """Return whether one of the options is given; raises :class:`RequestError` where several are, by name."""
    given = [name for name, value in values.items() if value is not None]
    if len(given) > 1:
        one, other = given[:2]
        *others, last = (dashes + name for name in values)
        raise RequestError(
            f"{dashes}{one} and {dashes}{other} are both given, {_said(values[one])} and {_said(values[other])}; "
            f"give one of {', '.join(others)} and {last}"
        )
    return bool(given)


def ends_on(timeframe: str, ends: Mapping[str, Any], now: float | None = None) -> dict[str, Any]:
    """Return what ``ends_of`` said as a request takes it: ``last`` is as many candles as it has begun, to the end."""
    if "last" not in ends:
        return dict(ends)
    to, frame = ends["to"], Timeframe.of(timeframe)
    stop = Request(_ANY, frame, 1, to, now=now).stop
    start = frame.floor(stop - ends["last"].total_seconds())
    return {"to": to, "end": to_datetime(max(0, start))}


def _said(value: object) -> str:
    if isinstance(value, timedelta):
        seconds = round(value.total_seconds())
        unit = max((unit for unit in UNITS if seconds % UNITS[unit] == 0), key=UNITS.__getitem__)
        return f"{seconds // UNITS[unit]}{unit}"
    return value.isoformat() if isinstance(value, datetime) else str(value)


def sorted_words(words: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the symbols among ``words``, each perhaps a list with commas, and what is or looks like a timeframe."""
    symbols: list[str] = []
    timeframes: list[str] = []
    for word in (each for listed in words for each in listed.split(",")):
        is_short = re.fullmatch(r"[0-9]+[A-Za-z]?|[A-Za-z]", word, re.ASCII)
        (timeframes if is_short or meant_by(word) is not None else symbols).append(word)
    return symbols, timeframes


def has_glob(symbol: str) -> bool:
    """Whether ``symbol`` stands for several, as names of files do in a shell: ``KRW-*``."""
    return any(each in symbol for each in "*?[")


@attrs.frozen
class Wanted:
    """Some symbols by some timeframes, all with the same ends."""

    symbols: Sequence[str]
    timeframes: Sequence[str]
    ends: Mapping[str, Any]

    def __attrs_post_init__(self) -> None:
        """Refuse what can't be meant, before an exchange is asked which markets it has."""
        if not self.symbols:
            raise RequestError("no symbol is given; name markets, such as KRW-BTC or 'KRW-*'")
        for timeframe in self.timeframes:
            if (meant := meant_by(timeframe)) is not None:
                raise RequestError(f"{timeframe!r} is no timeframe; did you mean {meant!r}?")
            Timeframe.of(timeframe)
        for symbol in self.symbols:
            if not has_glob(symbol):
                UpbitExchange().check(symbol, TIMEFRAMES[0])
            else:
                _check_glob(symbol)
        if not self.timeframes:
            names = " ".join(each.name for each in TIMEFRAMES)
            raise RequestError(f"no timeframe is given beside {', '.join(self.symbols[:3])!r}; name some of {names}")
        for timeframe in self.timeframes:
            Request(_ANY, timeframe, **ends_on(timeframe, self.ends))


def _check_glob(glob: str) -> None:
    """Refuse a pattern that no code can fit, or that is written in small letters only."""
    allowed = "write a market's code with *, ? or [...], such as 'KRW-*'"
    if glob.islower():
        raise refusal("symbol", glob, f"{allowed}; did you mean {glob.upper()!r}?")
    try:
        check_symbol(re.sub(r"[*?\[\]!]", "x", glob))
    except RequestError:
        raise refusal("symbol", glob, allowed) from None


def requests_for(
    wanted: Iterable[Wanted], markets: Sequence[Market] | None = None, left_out: list[str] | None = None
) -> list[Request]:
    """Return a request for each series, each once; globs are held against the ``markets`` (None: are left out).

    A market that is listed under a code which could do harm is named in ``left_out``, and why; it stops no other.
    """
    now = time.time()
    found: dict[Request, None] = {}
    for each in wanted:
        for symbol in each.symbols:
            names = [symbol]
            if has_glob(symbol):
                names = [] if markets is None else _matching(symbol, markets, left_out)
            for name in names:
                for timeframe in each.timeframes:
                    found[Request(name, timeframe, **ends_on(timeframe, each.ends, now), now=now)] = None
    return list(found)


def _matching(glob: str, markets: Sequence[Market], left_out: list[str] | None) -> list[str]:
    names = [market.symbol for market in markets]
    listed = [name for name in names if fnmatchcase(name, glob)]
    found = []
    for name in listed:
        try:
            UpbitExchange().check(name, TIMEFRAMES[0])
            found.append(name)
        except RequestError as error:
            if left_out is not None:
                left_out.append(f"listed, and left out: {error}")
    if not listed:
        near = get_close_matches(re.sub(r"[*?]", "", glob), names, 3, 0.3)
        quotes = sorted({name.split("-")[0] for name in names})
        there = f"such as {', '.join(near)}" if near else f"beginning with {', '.join(quotes)}"
        raise RequestError(f"no market is called {glob!r}; the exchange has {len(names)}, {there}")
    return found
