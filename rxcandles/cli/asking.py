"""What a command asks for: words become symbols and timeframes, ways to say how far back become the ends of a span."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import attrs

from rxcandles.cli.showntimes import ZONE, home, time_written
from rxcandles.errors import RequestError
from rxcandles.exchanges import named
from rxcandles.model import Request
from rxcandles.model.advice import source_options
from rxcandles.model.moments import Length, opened
from rxcandles.model.timeframe import Timeframe, from_datetime, meant_by, to_datetime
from rxcandles.model.which import Which, has_glob, matching
from rxcandles.ports import Market
from rxcandles.util.arguments import check_symbol, refusal

__all__ = [
    "WAYS",
    "Wanted",
    "check_all_said",
    "check_length",
    "check_one",
    "ends_of",
    "ends_on",
    "requests_for",
    "sorted_words",
    "which_of",
]

WAYS: Final = ("count", "since", "last", "end")
"""The ways to say how far back, of which one is given."""

_ANY: Final = "KRW-BTC"
"""Any symbol, to check what else is asked for."""


def ends_of(
    count: int | None = None,
    since: datetime | None = None,
    last: Length | None = None,
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
        alone = "" if to is None else f", and {dashes}until is only the newer end"
        raise RequestError(f"nothing says how far back to go{alone}; give {dashes}since, {dashes}last or {dashes}count")
    newer = datetime.now(UTC) if to is None else to
    if since is not None:
        if since >= newer:
            until = "now" if to is None else f"{dashes}until, {_said(to)}"
            raise RequestError(f"{dashes}since is {_said(since)}, which is not before {until}; give an earlier time")
        end = since
    elif last is not None:
        if not _is_since_1970(last, home(newer)):
            raise RequestError(
                f"{dashes}last is {_said(last)}, back to before 1970, with which time begins here; give less"
            )
        return {"to": to, "last": last}
    return {"count": count, "to": to, "end": end}


def check_length(last: Length, timeframe: Timeframe) -> None:
    """Raise :class:`RequestError` where ``--last`` is shorter than a candle, with what may have been meant."""
    months = last.months or last.seconds / (28 * 86_400)
    short = months < timeframe.months if timeframe.months else not last.months and last.seconds < timeframe.seconds
    if short:
        number = last.text[:-1].strip()
        meant = f"m is minutes: did you mean {number}M, {number} months?" if last.text[-1] == "m" else "give more"
        raise RequestError(f"--last is {last.text}, which is shorter than one {timeframe} candle; {meant}")


def _is_since_1970(last: Length, newer: datetime) -> bool:
    try:
        return from_datetime(last.before(newer)) >= 0
    except (ValueError, OverflowError):
        return False


def check_one(values: Mapping[str, object], *, dashes: str = "--") -> bool:
    """Return whether one of the options is given; raises :class:`RequestError` where several are, by name."""
    given = [name for name, value in values.items() if value is not None]
    if len(given) > 1:
        one, other = given[:2]
        *others, last = (dashes + name for name in values if name != "end")  # which is kept for those who know it
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
    last = ends["last"]
    check_length(last, frame)
    start = opened(frame, stop, last, ZONE.get(), name="--last")
    return {"to": to, "end": to_datetime(start)}


def _said(value: object) -> str:
    if isinstance(value, Length):
        return value.text
    return home(value).isoformat() if isinstance(value, datetime) else str(value)


def _written(value: object) -> str:
    return time_written(value, seconds=False) if isinstance(value, datetime) else _said(value)


def sorted_words(words: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the symbols among ``words``, each perhaps a list with commas, and what is or looks like a timeframe."""
    symbols: list[str] = []
    timeframes: list[str] = []
    for word in (each for listed in words for each in listed.split(",")):
        is_short = re.fullmatch(r"[0-9]+[A-Za-z]?|[A-Za-z]", word, re.ASCII)
        (timeframes if is_short or meant_by(word) is not None else symbols).append(word)
    return symbols, timeframes


def which_of(words: Iterable[str], symbols: Iterable[str] = (), timeframes: Iterable[str] = ()) -> Which:
    """Return which stored series are meant: by words in any order, and by lists that say which of the two they are."""
    some, others = sorted_words(words)
    some += [each for listed in symbols for each in listed.split(",")]
    others += [each for listed in timeframes for each in listed.split(",")]
    return Which.of(some, others)


def check_all_said(
    command: str,
    symbols: Sequence[str],
    timeframes: Sequence[str],
    way: tuple[str, object],
    to: object = None,
    exchange: str = "upbit",
) -> None:
    """Raise :class:`RequestError` that says at once all that is missing, with a command that would work.

    ``way`` is how far back to go: an option and its value, None where none is given.
    """
    check_names(symbols, timeframes, exchange)
    option, value = way
    newer = "" if to is None else "; --until is only the newer end"
    missing = [
        *(["which market (SYMBOL)"] if not symbols else []),
        *(["which timeframe (TIMEFRAME)"] if not timeframes else []),
        *([f"how far back to go (--since, --last or --count{newer})"] if value is None else []),
    ]
    if missing:
        *others, last = missing
        what = f"{', '.join(others)} and {last}" if others else last
        words = [*map(_quoted, symbols[:3] or [named(exchange).example]), *(timeframes[:3] or ["60m"])]
        back = "--last 30d" if value is None else f"--{option} {_quoted(_written(value))}"
        asked = source_options(exchange)
        raise RequestError(
            f"nothing says {what}; write, for example, `rxcandles {command} {' '.join(words)} {back}{asked}`"
        )


def _quoted(word: str) -> str:
    return shlex.quote(word)


@attrs.frozen
class Wanted:
    """Some symbols by some timeframes, all with the same ends."""

    symbols: Sequence[str]
    timeframes: Sequence[str]
    ends: Mapping[str, Any]
    exchange: str = "upbit"

    def __attrs_post_init__(self) -> None:
        """Refuse what can't be meant, before an exchange is asked which markets it has."""
        if not self.symbols:
            there = named(self.exchange)
            raise RequestError(f"no symbol is given; name markets, such as {there.example} or {there.example_glob!r}")
        check_names(self.symbols, self.timeframes, self.exchange)
        if not self.timeframes:
            names = " ".join(each.name for each in named(self.exchange).timeframes)
            raise RequestError(f"no timeframe is given beside {', '.join(self.symbols[:3])!r}; name some of {names}")
        for timeframe in self.timeframes:
            Request(_ANY, timeframe, **ends_on(timeframe, self.ends))


def check_names(symbols: Iterable[str], timeframes: Iterable[str], exchange: str = "upbit") -> None:
    """Raise :class:`RequestError` for a timeframe that there is none of, and for what no market of it is called."""
    there = named(exchange)()
    for timeframe in timeframes:
        if (meant := meant_by(timeframe)) is not None:
            raise RequestError(f"{timeframe!r} is no timeframe; did you mean {meant!r}?")
        there.check(there.example, Timeframe.of(timeframe))
    for symbol in symbols:
        if not has_glob(symbol):
            there.check(symbol, there.timeframes[0])
        else:
            _check_glob(symbol, there.example_glob)


def _check_glob(glob: str, example: str) -> None:
    """Refuse a pattern that no code can fit, or that is written in small letters only."""
    allowed = f"write a market's code with *, ? or [...], such as {example!r}"
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
    listed = [market.symbol for market in markets or ()]
    doubtful = [] if left_out is None else left_out
    for each in wanted:
        for symbol in each.symbols:
            names = [symbol]
            if has_glob(symbol):
                names = [] if markets is None else matching(symbol, listed, _askable(each.exchange), doubtful)
            for name in names:
                for timeframe in each.timeframes:
                    found[Request(name, timeframe, **ends_on(timeframe, each.ends, now), now=now)] = None
    return list(found)


def _askable(exchange: str) -> Callable[[str], None]:
    there = named(exchange)()
    return lambda symbol: there.check(symbol, there.timeframes[0])
