"""``rxcandles plan``: what a collection would cost, before anything is sent or written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs
import click

from rxcandles.cli import options
from rxcandles.cli.board import clock
from rxcandles.cli.console import printable, show_table
from rxcandles.cli.display import Output
from rxcandles.cli.logs import logged
from rxcandles.cli.objects import OBJECTS, SERIES
from rxcandles.cli.place import Place
from rxcandles.cli.runner import run_async
from rxcandles.cli.stored import is_there
from rxcandles.cli.text import counted, echo
from rxcandles.cli.times import span_shown
from rxcandles.cli.wanted import Wanted, titles_of
from rxcandles.engine.estimate import CollectionPlan, seconds_at_limit
from rxcandles.model import Request
from rxcandles.model.timeframe import to_datetime
from rxcandles.ports import Series
from rxcandles.ports.declared import page_cost, retention_text

__all__ = ["plan", "size"]

SPANS: Final = 10
"""Most missing spans of one series that are printed; --json has all."""

_EMPTY: Final = dict.fromkeys(
    [
        *SERIES,
        "asked",
        *(each.name for each in attrs.fields(CollectionPlan) if each.name != "request"),
        "missing_slots",
    ]
)


@click.command(
    help="""Show what a collection would cost, without fetching or writing anything.

    Prints the missing spans, the number of requests, the time that they take at the rate limit, memory and disk.
    Markets that trade rarely need fewer requests than planned.

    \b
    Reads:    the database
    Writes:   nothing
    Network:  only for a pattern such as 'KRW-*', to list the markets of the exchange,
              or to ask a server of --base-url for its name

    \b
    rxcandles plan KRW-BTC 1m --count 200000
    rxcandles plan KRW-BTC KRW-ETH 1m 60m --last 30d --json
    """
)
@options.several_planned
@options.as_json
@options.gathered
def plan(wanted: Wanted, place: Place, output: Output) -> options.Work:
    """Print the plan of each series, and the cost of all."""

    def work() -> int:
        wanted.check(place.exchange, "plan")
        if output.as_json:
            OBJECTS.expect("plan", _EMPTY)
        left_out: list[str] = []
        requests = place.requests([wanted], left_out)
        for line in left_out:
            echo(line, err=True)
        # If there is no file, plan for an empty one in memory, and create none.
        there = place if is_there(place.db) else place.beside()
        OBJECTS.coming({each: _about(each) for each in requests})
        with logged(output.console(), quiet=output.quiet, verbose=output.verbose):
            plans, seconds, others, whose = run_async(_plans(there, requests))
        if output.as_json:
            OBJECTS.show_all({"exchange": whose, **each.to_dict()} for each in plans)
        else:
            told = dict(zip(titles_of(requests).values(), plans, strict=True))
            _print(told, whose, place.kind, None if place.rate_limit is None else seconds, output)
        if not output.quiet:
            for series in others:
                what = f"{series.symbol} {series.timeframe} of {series.exchange!r}"
                echo(f"note: the database has {what}, but this is a plan for {whose!r}", err=True)
        return 0

    return work


def _about(request: Request) -> dict[str, Any]:
    start = None if request.start is None else to_datetime(request.start)
    ends = {"start": start, "stop": to_datetime(request.stop)}
    asked = None if request.start is not None else request.count
    return {"symbol": request.symbol, "timeframe": request.timeframe.name, **ends, "asked": asked}


async def _plans(place: Place, requests: Sequence[Request]) -> tuple[list[CollectionPlan], float, list[Series], str]:
    """Return a plan for each request, the seconds of all at the shared limit, series of others, and the exchange.

    The series of others: markets and timeframes that are stored from another exchange only.
    """
    async with place.connect(share_limit=False) as provider:
        whose = provider.exchange.name
        plans = []
        for request in requests:
            plans.append(await provider.plan(request, of=len(requests)))
            OBJECTS.know(request, {"exchange": whose, **plans[-1].to_dict()})
        cost = page_cost(provider.exchange, provider.exchange.page_limit)
        seconds = seconds_at_limit(provider.limiter, sum(each.requests for each in plans), cost)
        bare = {(each.request.symbol, each.request.timeframe.name) for each in plans if not each.stored}
        others = [
            each
            for each in await provider.repository.series()
            if each.exchange != whose and (each.symbol, each.timeframe) in bare
        ]
        return plans, seconds, others, whose


def _print(
    plans: Mapping[str, CollectionPlan], exchange: str, kind: type, seconds: float | None, output: Output
) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("series", no_wrap=True)
    for name in ("candles", "stored", "missing", "spans", "requests", "disk"):
        table.add_column(name, justify="right", no_wrap=True)
    for title, each in plans.items():
        numbers = (each.candles, each.stored, each.missing_slots, len(each.missing), each.requests)
        table.add_row(printable(title), *(f"{number:,}" for number in numbers), size(each.disk_bytes))
    show_table(table, no_color=output.no_color)
    if len(plans) == 1:
        _print_spans(next(iter(plans.values())))
    for title, each in plans.items():
        if each.not_kept is not None:
            start, stop = each.not_kept
            echo(
                f"{printable(title)}: {retention_text(kind, each.request.timeframe)}; "
                f"{span_shown(start, stop)} is not counted"
            )
    every = list(plans.values())
    requests, again, disk = (
        sum(getattr(each, name) for each in every) for name in ("requests", "requests_again", "disk_bytes")
    )
    at_limit = "no limit" if seconds is None else f"{clock(seconds)} at the rate limit"
    memory = sum(each.memory_bytes for each in every)
    echo(
        f"{counted(requests - again, 'request')}{_again(again)}, {at_limit}; at most {size(memory)} of memory and "
        f"{size(disk)} of disk; from {exchange!r}"
    )


def _again(requests: int) -> str:
    return f" and {counted(requests, 'request')} to ask again about provisional spans" if requests else ""


def _print_spans(plan: CollectionPlan) -> None:
    for start, stop in plan.missing[:SPANS]:
        slots = plan.request.timeframe.slots(start.timestamp(), stop.timestamp())
        echo(f"missing: {span_shown(start, stop)}, {counted(slots, 'slot')}")
    if len(plan.missing) > SPANS:
        echo(f"and {len(plan.missing) - SPANS:,} more spans; --json shows all")
    for start, stop in plan.doubtful[:SPANS]:
        slots = plan.request.timeframe.slots(start.timestamp(), stop.timestamp())
        echo(f"asked again: {span_shown(start, stop)}, {counted(slots, 'slot')}")
    if len(plan.doubtful) > SPANS:
        echo(f"and {len(plan.doubtful) - SPANS:,} more spans to ask again about; --json shows all")


def size(count: float) -> str:
    """Return a number of bytes with its unit: ``1.5 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"
