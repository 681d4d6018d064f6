"""What a command asks for: markets, timeframes and a span. Each series becomes a request."""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import attrs

from rxcandles.cli.ends import WAYS, check_one, ends_of, ends_on
from rxcandles.cli.times import home, time_written
from rxcandles.cli.words import check_names, sorted_words
from rxcandles.errors import RequestError
from rxcandles.exchanges import named
from rxcandles.model import Request
from rxcandles.model.advice import source_options
from rxcandles.model.moments import Length
from rxcandles.model.which import Which, has_glob, matching
from rxcandles.ports.declared import example_glob, timeframes_of

__all__ = ["Wanted", "requests_for", "titles_of"]


@attrs.frozen
class Wanted:
    """Markets, timeframes and a span, as given by the arguments of a command or by a job of a file."""

    symbols: Sequence[str] = ()
    """Markets and patterns such as ``KRW-*``."""
    timeframes: Sequence[str] = ()
    count: int | None = None
    since: datetime | None = None
    last: Length | None = None
    to: datetime | None = None
    end: datetime | None = None
    words: Sequence[str] = ()
    """More markets and timeframes, in any order; each may be a list with commas."""
    include_imported: bool = False
    dashes: str = "--"
    """Text before the names of options in errors; empty for a file."""

    @property
    def series(self) -> tuple[list[str], list[str]]:
        """The named markets, and the named timeframes."""
        symbols, timeframes = sorted_words(self.words)
        return [*symbols, *self.symbols], [*timeframes, *self.timeframes]

    def which(self) -> Which:
        """Return the filter for stored series."""
        return Which.of(*self.series)

    def span(self, *, from_now: bool = False) -> tuple[datetime | None, datetime | None]:
        """Return the older and the newer end for stored series; None is an open end.

        ``from_now``: use ``last``, counted back from now. Without it ``last`` is ignored, since each series counts it
        back from its own end.

        Raises:
            RequestError: several of ``since``, ``last`` and ``end`` are given.
        """
        check_one({"since": self.since, "last": self.last, "end": self.end})
        since = self.end if self.since is None else self.since
        if from_now and self.last is not None:
            since = self.last.since(home(datetime.now(UTC) if self.to is None else self.to))
        return since, self.to

    def check(self, exchange: str, command: str | None = None, *, endless: bool = False) -> None:
        """Raise RequestError for anything invalid or missing, before any request is sent.

        * ``command``: its name; the error names everything that is missing, and proposes a command that works.
        * ``endless``: there is no newer end, and there may be no older one.
        """
        (symbols, timeframes), kind = self.series, named(exchange)
        if command is None:
            if endless:
                self._check_endless()
            else:
                self._ends()
            if not symbols:
                example = f"{kind.example} or {example_glob(kind)!r}"
                raise RequestError(f"no market is given; name one or more, such as {example}")
        check_names(symbols, timeframes, exchange)
        if command is not None:
            self._check_all_said(command, exchange)
        elif not timeframes:
            names = " ".join(each.name for each in timeframes_of(kind))
            raise RequestError(f"no timeframe is given for {', '.join(symbols[:3])!r}; name one or more of {names}")
        for each in () if endless else self.makers(time.time()):
            each(kind.example)

    def makers(self, now: float) -> list[Callable[[str], Request]]:
        """Return, for each timeframe, a function that makes the request of a market."""
        ends = self._ends()

        def made(timeframe: str) -> Callable[[str], Request]:
            both = ends_on(timeframe, ends, now)
            return lambda symbol: Request(symbol, timeframe, **both, now=now)

        return [made(each) for each in self.series[1]]

    def _ends(self) -> dict[str, Any]:
        return ends_of(self.count, self.since, self.last, self.to, self.end, dashes=self.dashes)

    def _check_endless(self) -> None:
        check_one({name: getattr(self, name) for name in WAYS}, dashes=self.dashes)
        if self.to is not None:
            raise RequestError(f"{self.dashes}until is given, but what is followed has no end; leave it out")

    def _check_all_said(self, command: str, exchange: str) -> None:
        symbols, timeframes = self.series
        way = next(((name, getattr(self, name)) for name in WAYS if getattr(self, name) is not None), None)
        newer = "" if self.to is None else "; --until is only the end"
        missing = [
            *(["a market (SYMBOL)"] if not symbols else []),
            *(["a timeframe (TIMEFRAME)"] if not timeframes else []),
            *([f"a start (--since, --last or --count{newer})"] if way is None else []),
        ]
        if not missing:
            return
        *others, last = missing
        what = f"{', '.join(others)} and {last}" if others else last
        words = [*map(shlex.quote, symbols[:3] or [named(exchange).example]), *(timeframes[:3] or ["60m"])]
        back = "--last 30d" if way is None else f"--{way[0]} {shlex.quote(_written(way[1]))}"
        asked = source_options(exchange)
        raise RequestError(
            f"missing: {what}; write, for example, `rxcandles {command} {' '.join(words)} {back}{asked}`"
        )


def _written(value: object) -> str:
    if isinstance(value, datetime):
        return time_written(value, seconds=False)
    return value.text if isinstance(value, Length) else str(value)


def requests_for(
    wanted: Iterable[Wanted], exchange: str, listed: Callable[[], Sequence[str]], left_out: list[str]
) -> list[Request]:
    """Return a request for each series, each only once. ``wanted`` has been checked.

    * ``listed``: returns the markets of the exchange; called once, and only if there is a pattern.
    * ``left_out``: gets a line for each listed market whose code is unsafe; the others are not affected.
    """
    now, found = time.time(), dict[Request, None]()
    wanted = list(wanted)
    globs = any(has_glob(symbol) for each in wanted for symbol in each.series[0])
    markets = listed() if globs else ()
    there = named(exchange)()
    frame = timeframes_of(there)[0]
    for each in wanted:
        makers = each.makers(now)
        for symbol in each.series[0]:
            names = [symbol]
            if has_glob(symbol):
                names = matching(symbol, markets, lambda name: there.check(name, frame), left_out)
            found |= dict.fromkeys(make(name) for name in names for make in makers)
    return list(found)


def titles_of(requests: Iterable[Request]) -> dict[Request, str]:
    """Return the name of each series; a number is added if a series is requested twice."""
    titles: dict[Request, str] = {}
    asked: Counter[str] = Counter()
    for request in dict.fromkeys(requests):
        title = f"{request.symbol} {request.timeframe}"
        asked[title] += 1
        titles[request] = title if asked[title] == 1 else f"{title} ({asked[title]})"
    return titles
