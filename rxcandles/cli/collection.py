"""Shared by ``collect`` and ``run``: collect all series, and print the results."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

import attrs

from rxcandles.cli.addresses import addresses
from rxcandles.cli.board import Board
from rxcandles.cli.console import printable, show_table, summary_table, summary_text
from rxcandles.cli.display import Output
from rxcandles.cli.objects import OBJECTS, SERIES
from rxcandles.cli.place import Place
from rxcandles.cli.provisional import Doubts, tell_doubts
from rxcandles.cli.session import run_several
from rxcandles.cli.stored import is_there
from rxcandles.cli.text import echo
from rxcandles.cli.times import at_home, said_apart, time_shown
from rxcandles.cli.wanted import Wanted, titles_of
from rxcandles.cluster.dask import check_scheduler
from rxcandles.cluster.host import check_shared
from rxcandles.errors import IncompleteError, RxCandlesError, SeveralFailedError, UnreachableError
from rxcandles.model import Request
from rxcandles.model.naming import SIMULATED, address_of
from rxcandles.model.reports import CollectionProgress, CollectionSummary
from rxcandles.model.timeframe import from_datetime, to_datetime
from rxcandles.modes.provider import CandleDataProvider
from rxcandles.ports.declared import retained_since, retention_text
from rxcandles.stores.held import EndsHeld, ends_held

__all__ = ["collect_series"]

_EMPTY: Final = dict.fromkeys(
    [
        *SERIES,
        "asked",
        *(each.name for kind in (EndsHeld, CollectionSummary) for each in attrs.fields(kind)),
        "error",
    ]
)


def collect_series(
    wanted: Sequence[Wanted],
    place: Place,
    output: Output,
    *,
    lines: bool = False,
    refetch: bool = False,
    scheduler: str | None = None,
) -> int:
    """Collect all series, print the results, and return the exit code.

    A single series is printed as two lines, and its error is raised. With ``lines`` it is printed like several: as a
    table, and each error as a line. With a ``scheduler`` its workers collect.
    """
    if scheduler is not None:
        check_scheduler("--scheduler", scheduler)
        check_shared(place.db)
    if output.as_json:
        OBJECTS.expect("collect", _EMPTY)
    left_out: list[str] = []
    titles = titles_of(place.requests(wanted, left_out))
    progress: dict[Request, CollectionProgress] = {}
    ends: dict[Request, EndsHeld] = {}
    if output.as_json:
        OBJECTS.coming({each: partial(_so_far, place, each, progress) for each in titles})

    async def work(provider: CandleDataProvider, board: Board) -> dict[Request, CollectionSummary | Exception]:
        place.is_of(provider.exchange.name)

        def tell(request: Request, told: CollectionProgress) -> None:
            progress[request] = told
            board.tell(titles[request], told)

        results: dict[Request, CollectionSummary | Exception]
        try:
            if scheduler is None:
                results = {**await provider.collect_many(titles, tell, refetch=refetch)}
            else:
                async with addresses(scheduler, output) as cluster:
                    results = {**await provider.collect_many(titles, tell, refetch=refetch, client=cluster)}
        except SeveralFailedError as error:
            results = {each: error.summaries.get(each) or error.failures[each] for each in titles}
        if output.as_json:
            for each in titles:
                span = _span(each, results[each])
                try:
                    ends[each] = await ends_held(provider.repository, each.symbol, each.timeframe, span)
                except RxCandlesError:  # the result has the error
                    ends[each] = EndsHeld(None, None, reached_start=False)
        return results

    if not output.quiet:
        for line in _not_kept(titles, place.kind):
            echo(line, err=True)
    is_new = not is_there(place.db)
    results = run_several(place, titles, output, work, watched=scheduler is None) if titles else {}
    if is_new and place.base_url is not None and place.exchange != SIMULATED:
        _say_who(place.whose(), place.base_url)
    if output.as_json:
        whose = place.whose()
        OBJECTS.show_all(
            {"exchange": whose, **_plain(request, result, ends[request])} for request, result in results.items()
        )
    if len(titles) == 1 and not lines and not left_out:
        [(request, title)] = titles.items()
        return _tell_one(request, title, results[request], place.kept(), output)
    failed = _tell_all({titles[request]: result for request, result in results.items()}, place, output)
    for each in left_out:
        echo(f"rxcandles: {each}", err=True)
    return 1 if failed or left_out else 0


def _say_who(whose: str, base_url: str) -> None:
    """Print a note if a new database gets candles of a simulator that was not asked for by name, also with --quiet."""
    if whose == SIMULATED:
        address = printable(address_of(base_url))
        echo(f"rxcandles: the server at {address} is a simulator; its candles are stored as {whose!r}", err=True)


def _tell_one(request: Request, title: str, result: CollectionSummary | Exception, db: str, output: Output) -> int:
    summary = result.summary if isinstance(result, IncompleteError) else result
    told = not output.as_json and (not output.quiet or isinstance(result, Exception))
    if told and isinstance(summary, CollectionSummary):
        echo(*summary_text(summary, title, db).splitlines())
    if not output.as_json:
        _tell_doubts({title: result}, output)
    if isinstance(result, Exception):
        raise result
    return 0


def _tell_all(results: Mapping[str, CollectionSummary | Exception], place: Place, output: Output) -> bool:
    """Print the results of several series; return whether any failed; raise the error if no server was reached."""
    failed = {title: result for title, result in results.items() if isinstance(result, Exception)}
    unreachable = [each for each in failed.values() if isinstance(each, UnreachableError)]
    if not output.as_json and not output.quiet and len(unreachable) < len(results):
        _print_table(results, place.kept(), output)
        _tell_doubts(results, output)
    if unreachable and len(unreachable) == len(results):
        raise unreachable[0]  # one message for all
    for title, error in failed.items():
        message = at_home(" ".join(str(error).split()))
        echo(f"rxcandles: {printable(message if message.startswith(title) else f'{title}: {message}')}", err=True)
    return bool(failed)


def _tell_doubts(results: Mapping[str, CollectionSummary | Exception], output: Output) -> None:
    """Print what is provisional, unless quiet."""
    found = {}
    for title, result in results.items():
        summary = result.summary if isinstance(result, IncompleteError) else result
        if isinstance(summary, CollectionSummary):
            found[title] = Doubts.of(summary)
    if not output.quiet:
        tell_doubts(found)


def _not_kept(requests: Iterable[Request], exchange: type) -> Iterator[str]:
    """Yield a line for each timeframe that goes back further than the exchange's retention."""
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
    """Return what is known about a series if a signal ends the run now, under the same names."""
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
    """Return the span that is stored of the request, or that of the request if it is not known."""
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
    echo(f"{held:,} of {len(results):,} series are complete in {printable(db)}{apart}")
