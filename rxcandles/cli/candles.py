"""Shared by ``get`` and ``stream``: print candles of several series on stdout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from rxcandles.cli.console import format_candles
from rxcandles.cli.display import Output
from rxcandles.cli.place import Place
from rxcandles.cli.provisional import Doubts, impossible_text, tell_doubts
from rxcandles.cli.text import echo
from rxcandles.cli.times import at_home
from rxcandles.cli.wanted import Wanted, titles_of
from rxcandles.errors import BannedError, RxCandlesError, UnreachableError
from rxcandles.model import CandleData, Request
from rxcandles.model.timeframe import to_datetime

__all__ = ["Page", "arguments_of", "asked_series", "of_one", "tell"]


def asked_series(command: str, wanted: Wanted, place: Place) -> tuple[Mapping[Request, str], list[str]]:
    """Return the requested series with their titles, and a line for each listed market that is left out."""
    wanted.check(place.exchange, command)
    left_out: list[str] = []
    titles = titles_of(place.requests([wanted], left_out))
    for line in left_out:
        echo(line, err=True)
    return titles, left_out


def of_one(error: RxCandlesError, titles: Mapping[Request, str]) -> RxCandlesError:
    """Return an error that concerns one series of several; raise one that concerns all, or the only one."""
    if len(titles) == 1 or isinstance(error, BannedError | UnreachableError):
        raise error
    return error


def arguments_of(request: Request) -> tuple[str, str, int | None, datetime, datetime | None]:
    """Return a request as positional arguments for the methods of the provider."""
    end = None if request.start is None else to_datetime(request.start)
    return request.symbol, request.timeframe.name, request.count, to_datetime(request.stop), end


class Page:
    """Formats several series as lines, one series after the other.

    In a table each series has a title and a header. In csv there is one header. If the timeframes differ, each line of
    csv and jsonl ends with its timeframe.
    """

    def __init__(self, titles: Mapping[Request, str], output: Output, *, marked: bool) -> None:
        self._titles, self._style, self._marked = titles, output.style or "table", marked
        self._differ = self._style != "table" and len({each.timeframe for each in titles}) > 1
        self._begun = False

    def lines(self, request: Request, candles: Sequence[CandleData], *, first: bool) -> Iterator[str]:
        """Yield the lines of candles of one series; ``first``: they are its first candles."""
        header, self._begun = (first if self._style == "table" else not self._begun), True
        if header and self._style == "table" and len(self._titles) > 1:
            yield f"{self._titles[request]}:"
        for number, line in enumerate(format_candles(candles, self._style, header=header, marked=self._marked)):
            if not self._differ:
                yield line
            elif self._style == "csv":
                yield f"{line},{'timeframe' if header and number == 0 else request.timeframe}"
            else:
                yield f'{line[:-1]}, "timeframe": "{request.timeframe}"}}'


def tell(found: Mapping[str, Doubts], failures: Mapping[str, RxCandlesError], *, quiet: bool) -> int:
    """Print what is doubtful and what failed; return 1 if a series failed or a candle is left out."""
    if not quiet:
        tell_doubts(found)
    impossible = {title: doubts.impossible for title, doubts in found.items() if doubts.impossible}
    for title, candles in impossible.items():
        echo(f"rxcandles: {title}: {impossible_text(candles)}", err=True)
    for title, error in failures.items():
        echo(f"rxcandles: {title}: {at_home(' '.join(str(error).split()))}", err=True)
    return 1 if impossible or failures else 0
