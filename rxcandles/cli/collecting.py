"""``rxcandles collect``: one series, or several at once under one limit."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

import attrs
import click

from rxcandles.cli import options
from rxcandles.cli.asking import Wanted, check_all_said, ends_of, sorted_words
from rxcandles.cli.console import printable, show_table, summary_table, summary_text
from rxcandles.cli.display import Board, Output
from rxcandles.cli.jobs import Place, run_several, titles_of
from rxcandles.cli.objects import OBJECTS, SERIES
from rxcandles.cli.provisional import Doubts, tell_doubts
from rxcandles.cli.showntimes import at_home, said_apart, time_shown
from rxcandles.cli.text import echo
from rxcandles.errors import IncompleteError, RxCandlesError, SeveralFailedError, UnreachableError
from rxcandles.exchanges import named
from rxcandles.model import Request
from rxcandles.model.moments import Length
from rxcandles.model.naming import SIMULATED, address_of
from rxcandles.model.reports import CollectionProgress, CollectionSummary
from rxcandles.model.timeframe import from_datetime, to_datetime
from rxcandles.modes.connect import OwnRate
from rxcandles.modes.provider import CandleDataProvider
from rxcandles.ports.declared import retained_since, retention_text
from rxcandles.stores.overview import EndsHeld, ends_held

__all__ = ["asked_for", "collect", "collect_series"]

_EMPTY: Final = dict.fromkeys(
    [
        *SERIES,
        "asked",
        *(each.name for kind in (EndsHeld, CollectionSummary) for each in attrs.fields(kind)),
        "error",
    ]
)


@click.command(
    help="""Download candles into the database. Stored candles are not fetched again.

    Several markets and timeframes are collected at once, under one rate limit. The exit code is 0 only if everything
    you asked for is stored; run the same command again to fetch the rest.

    \b
    rxcandles collect KRW-BTC 1m --count 200000
    rxcandles collect KRW-BTC KRW-ETH 1m 60m --last 30d
    rxcandles collect 'KRW-*' 1d --since 2020-01-01 --json
    rxcandles collect KRW-BTC 1m --last 2d --refetch
    """
)
@options.several
@options.refetch
@options.as_json
def collect(refetch: bool, as_json: bool, **asked: Any) -> options.Work:
    """Download candles into the database. Stored candles are not fetched again."""

    def work() -> int:
        wanted, place, output = asked_for("collect", **asked)
        return collect_series([wanted], place, output, as_json=as_json, refetch=refetch)

    return work


def asked_for(
    command: str,
    words: Sequence[str],
    symbols: Sequence[str],
    timeframes: Sequence[str],
    count: int | None,
    since: datetime | None,
    last: Length | None,
    to: datetime | None,
    end: datetime | None,
    db: str,
    exchange: str,
    base_url: str | None,
    name: str | None,
    rate_limit: float | OwnRate | None,
    quiet: bool,
    verbose: int,
    no_color: bool,
) -> tuple[Wanted, Place, Output]:
    """Return what ``options.several`` has read: what is wanted, where, and how much is told."""
    some, others = sorted_words(words)
    some += [each for listed in symbols for each in listed.split(",")]
    others += [each for listed in timeframes for each in listed.split(",")]
    ways = {"count": count, "since": since, "last": last, "end": end}
    way = next((way for way in ways.items() if way[1] is not None), ("", None))
    check_all_said(command, some, others, way, to, exchange)
    wanted = Wanted(
        some,
        others,
        ends_of(count, since, last, to, end),
        exchange,
    )
    return wanted, Place(db, exchange, base_url, rate_limit, name), Output(quiet, verbose, no_color)


def collect_series(
    wanted: Sequence[Wanted],
    place: Place,
    output: Output,
    *,
    as_json: bool,
    lines: bool = False,
    refetch: bool = False,
) -> int:
    """Collect all that is wanted, print what it came to, and return the exit code.

    One series is told as ever, and its error raised; ``lines`` for what is said of several also then.
    """
    if as_json:
        OBJECTS.expect("collect", _EMPTY)
    left_out: list[str] = []
    titles = titles_of(place.requests(wanted, left_out))
    progress: dict[Request, CollectionProgress] = {}
    ends: dict[Request, EndsHeld] = {}
    if as_json:
        OBJECTS.coming({each: partial(_so_far, place, each, progress) for each in titles})

    async def work(provider: CandleDataProvider, board: Board) -> dict[Request, CollectionSummary | Exception]:
        place.is_of(provider.exchange.name)

        def tell(request: Request, told: CollectionProgress) -> None:
            progress[request] = told
            board.tell(titles[request], told)

        results: dict[Request, CollectionSummary | Exception]
        try:
            results = {**await provider.collect_many(titles, tell, refetch=refetch)}
        except SeveralFailedError as error:
            results = {each: error.summaries.get(each) or error.failures[each] for each in titles}
        if as_json:
            for each in titles:
                span = _span(each, results[each])
                try:
                    ends[each] = await ends_held(provider.repository, each.symbol, each.timeframe, span)
                except RxCandlesError:  # the result says why
                    ends[each] = EndsHeld(None, None, reached_start=False)
        return results

    if not output.quiet:
        for line in _not_kept(titles, named(place.exchange)):
            echo(line, err=True)
    is_new = not options.is_there(place.db)
    results = run_several(place, titles, output, work) if titles else {}
    if is_new and place.base_url is not None and place.exchange != SIMULATED:
        _say_who(place.whose(), place.base_url)
    if as_json:
        whose = place.whose()
        OBJECTS.show_all(
            {"exchange": whose, **_plain(request, result, ends[request])} for request, result in results.items()
        )
    if len(titles) == 1 and not lines and not left_out:
        [(request, title)] = titles.items()
        return _tell_one(request, title, results[request], place.kept(), output, as_json=as_json)
    unreachable = [each for each in results.values() if isinstance(each, UnreachableError)]
    if not as_json and not output.quiet and len(unreachable) < len(results):
        told = {titles[request]: result for request, result in results.items()}
        _print_table(told, place.kept(), output)
        _tell_doubts(told, output)
    if unreachable and len(unreachable) == len(results):
        raise unreachable[0]  # one sentence is enough
    failed = {titles[request]: result for request, result in results.items() if isinstance(result, Exception)}
    for title, error in failed.items():
        message = at_home(" ".join(str(error).split()))
        echo(f"rxcandles: {printable(message if message.startswith(title) else f'{title}: {message}')}", err=True)
    for each in left_out:
        echo(f"rxcandles: {each}", err=True)
    return 1 if failed or left_out else 0


def _say_who(whose: str, base_url: str) -> None:
    """Say, where a database is made, that its candles are of a simulator though none was named: also with --quiet."""
    if whose == SIMULATED:
        address = printable(address_of(base_url))
        echo(f"rxcandles: the server at {address} is a simulator; its candles are stored as {whose!r}", err=True)


def _tell_one(
    request: Request, title: str, result: CollectionSummary | Exception, db: str, output: Output, *, as_json: bool
) -> int:
    summary = result.summary if isinstance(result, IncompleteError) else result
    told = not as_json and (not output.quiet or isinstance(result, Exception))
    if told and isinstance(summary, CollectionSummary):
        echo(*summary_text(summary, title, db).splitlines())
    if not as_json:
        _tell_doubts({title: result}, output)
    if isinstance(result, Exception):
        raise result
    return 0


def _tell_doubts(results: Mapping[str, CollectionSummary | Exception], output: Output) -> None:
    """Say what is provisional, unless all is to be quiet."""
    found = {}
    for title, result in results.items():
        summary = result.summary if isinstance(result, IncompleteError) else result
        if isinstance(summary, CollectionSummary):
            found[title] = Doubts.of(summary)
    if not output.quiet:
        tell_doubts(found)


def _not_kept(requests: Iterable[Request], exchange: type) -> Iterator[str]:
    """Yield a line for each timeframe of which more is asked for than the exchange keeps."""
    now = time.time()
    for timeframe in dict.fromkeys(each.timeframe for each in requests):
        since = retained_since(exchange, timeframe, now)
        if any(each.start is not None and each.start < since for each in requests if each.timeframe is timeframe):
            day = time_shown(since, "%Y-%m-%d")
            yield f"{retention_text(exchange, timeframe)}: candles before {day} may be missing"


def _plain(request: Request, result: CollectionSummary | Exception, ends: EndsHeld) -> dict[str, Any]:
    summary = _summary(result)
    start, stop = _span(request, result)
    return {
        **_about(request, start if summary else request.start, stop),
        "candles": summary.collected_count if summary else None,
        "asked": request.count,
        **attrs.asdict(ends),
        **(summary.to_dict() if summary else {}),
        "error": str(result) if isinstance(result, Exception) else None,
    }


def _so_far(place: Place, request: Request, every: Mapping[Request, CollectionProgress]) -> dict[str, Any]:
    """What is known of a series when a signal ends it, under the same names."""
    progress = every.get(request)
    held = 0 if progress is None else progress.collected_count
    known = {} if progress is None else {
        "chunks_processed": progress.current_chunk, "duration_seconds": progress.elapsed_seconds,
        "api_calls_made": progress.requests, "retries": progress.retries, "rate_limited": progress.rate_limited,
        "revised_count": progress.revised,
    }  # fmt: skip
    return {
        "exchange": place.known(), **_about(request, request.start, request.stop), "candles": held,
        "asked": request.count, "collected_count": held, **known, "error": "stopped",
    }  # fmt: skip


def _about(request: Request, start: int | None, stop: int) -> dict[str, Any]:
    ends = {"start": None if start is None else to_datetime(start), "stop": to_datetime(stop)}
    return {"symbol": request.symbol, "timeframe": request.timeframe.name, **ends}


def _span(request: Request, result: CollectionSummary | Exception) -> tuple[int, int]:
    """Return the span that is held of what was asked for, or what was asked for where that is not known."""
    summary = _summary(result)
    if summary is None:
        return request.span
    start, stop = (int(from_datetime(each)) for each in summary.time_range)
    return start, stop


def _summary(result: CollectionSummary | Exception) -> CollectionSummary | None:
    found = result.summary if isinstance(result, IncompleteError) else result
    return found if isinstance(found, CollectionSummary) else None


def _print_table(results: Mapping[str, CollectionSummary | Exception], db: str, output: Output) -> None:
    show_table(summary_table(results), no_color=output.no_color)
    held = sum(not isinstance(result, Exception) for result in results.values())
    apart = "" if said_apart() is None else f"; times in {said_apart()}"
    echo(f"{held:,} of {len(results):,} series are held in {printable(db)}{apart}")
