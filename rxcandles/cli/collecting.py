"""``rxcandles collect``: one series, or several at once under one limit."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import click

from rxcandles.cli import options
from rxcandles.cli.asking import Wanted, ends_of, sorted_words
from rxcandles.cli.console import printable, show_table, summary_plain, summary_table, summary_text
from rxcandles.cli.display import Board, Output
from rxcandles.cli.jobs import Place, run_several, titles_of
from rxcandles.cli.provisional import Doubts, tell_doubts
from rxcandles.cli.text import echo
from rxcandles.errors import IncompleteError, SeveralFailedError, UnreachableError
from rxcandles.exchanges import UpbitExchange
from rxcandles.model import Request
from rxcandles.opening import OwnRate
from rxcandles.ports import kept_since, kept_text
from rxcandles.provider import CandleDataProvider
from rxcandles.reports import CollectionSummary
from rxcandles.timeframe import to_datetime

__all__ = ["asked_for", "collect", "collect_series"]


@click.command()
@options.several
@options.refetch
@options.as_json
def collect(refetch: bool, as_json: bool, **asked: Any) -> options.Work:
    """Store candles; what is stored already is not fetched again, except with --refetch.

    Several symbols and timeframes are collected at once, under one limit. It exits with 0 only if everything that was
    asked for is held then; the same command again asks for the rest.

    \b
    rxcandles collect KRW-BTC 1m --count 200000
    rxcandles collect KRW-BTC KRW-ETH 1m 60m --last 30d
    rxcandles collect 'KRW-*' 1d --since 2020-01-01 --json
    rxcandles collect KRW-BTC 1m --last 2d --refetch
    """

    def work() -> int:
        wanted, place, output = asked_for(**asked)
        return collect_series([wanted], place, output, as_json=as_json, refetch=refetch)

    return work


def asked_for(
    words: Sequence[str],
    symbols: Sequence[str],
    timeframes: Sequence[str],
    count: int | None,
    since: datetime | None,
    last: timedelta | None,
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
    wanted = Wanted(
        some + [each for listed in symbols for each in listed.split(",")],
        others + [each for listed in timeframes for each in listed.split(",")],
        ends_of(count, since, last, to, end),
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
    left_out: list[str] = []
    titles = titles_of(place.requests(wanted, left_out))

    async def work(provider: CandleDataProvider, board: Board) -> dict[Request, CollectionSummary | Exception]:
        try:
            summaries = await provider.collect_many(
                titles, lambda each, told: board.tell(titles[each], told), refetch=refetch
            )
        except SeveralFailedError as error:
            return {each: error.summaries.get(each) or error.failures[each] for each in titles}
        return {**summaries}

    if not output.quiet:
        for line in _not_kept(titles):
            echo(line, err=True)
    results = run_several(place, titles, output, work) if titles else {}
    if len(titles) == 1 and not lines and not left_out:
        [(request, title)] = titles.items()
        return _tell_one(request, title, results[request], place.kept(), output, as_json=as_json)
    unreachable = [each for each in results.values() if isinstance(each, UnreachableError)]
    if as_json:
        for request, result in results.items():
            echo(json.dumps(_plain(request, result)))
    elif len(unreachable) < len(results):
        told = {titles[request]: result for request, result in results.items()}
        _print_table(told, place.kept(), output)
        _tell_doubts(told, output)
    if unreachable and len(unreachable) == len(results):
        raise unreachable[0]  # one sentence is enough
    failed = {titles[request]: result for request, result in results.items() if isinstance(result, Exception)}
    for title, error in failed.items():
        message = " ".join(str(error).split())
        echo(f"rxcandles: {printable(message if message.startswith(title) else f'{title}: {message}')}", err=True)
    for each in left_out:
        echo(f"rxcandles: {each}", err=True)
    return 1 if failed or left_out else 0


def _tell_one(
    request: Request, title: str, result: CollectionSummary | Exception, db: str, output: Output, *, as_json: bool
) -> int:
    summary = result.summary if isinstance(result, IncompleteError) else result
    if isinstance(summary, CollectionSummary):
        echo(*([json.dumps(_named(request, summary))] if as_json else summary_text(summary, title, db).splitlines()))
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


def _not_kept(requests: Iterable[Request]) -> Iterator[str]:
    """Yield a line for each timeframe of which more is asked for than the exchange keeps."""
    now = time.time()
    for timeframe in dict.fromkeys(each.timeframe for each in requests):
        since = kept_since(UpbitExchange, timeframe, now)
        if any(each.start is not None and each.start < since for each in requests if each.timeframe is timeframe):
            yield f"{kept_text(UpbitExchange, timeframe)}: nothing before {to_datetime(since):%Y-%m-%d} is sure to come"


def _plain(request: Request, result: CollectionSummary | Exception) -> dict[str, Any]:
    summary = result.summary if isinstance(result, IncompleteError) else result
    return {**_named(request, summary), "error": str(result) if isinstance(result, Exception) else None}


def _named(request: Request, summary: object) -> dict[str, Any]:
    names = {"symbol": request.symbol, "timeframe": request.timeframe.name}
    return {**names, **summary_plain(summary)} if isinstance(summary, CollectionSummary) else names


def _print_table(results: Mapping[str, CollectionSummary | Exception], db: str, output: Output) -> None:
    show_table(summary_table(results), no_color=output.no_color)
    held = sum(not isinstance(result, Exception) for result in results.values())
    echo(f"{held:,} of {len(results):,} series are held in {printable(db)}")
