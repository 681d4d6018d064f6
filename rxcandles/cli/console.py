"""Text that commands print: candles, summaries, tables."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from rxcandles.cli.text import counted, printable
from rxcandles.cli.times import headed, said_apart, span_shown, time_shown
from rxcandles.errors import IncompleteError
from rxcandles.interchange.writing.lines import FIELDS
from rxcandles.model import TRADE_FIELDS, CandleData, CandleWithTrades
from rxcandles.model.reports import CollectionSummary

if TYPE_CHECKING:
    from rich.table import Table

__all__ = [
    "FORMATS",
    "format_candles",
    "printable",
    "show_table",
    "summary_table",
    "summary_text",
]

FORMATS: Final = ("table", "csv", "jsonl")

_PRICE: Final = 11
"""Width of a price column in characters: ``150,000,000`` (KRW)."""


def format_candles(
    candles: Sequence[CandleData], style: str, *, header: bool = True, marked: bool = False
) -> Iterator[str]:
    """Yield candles as lines: a table of 80 columns, CSV, or one JSON object each.

    * ``style``: one of ``FORMATS``. CSV and JSON have Upbit's field names.
    * ``header``: the first line is a header (not for JSON).
    * ``marked``: imported candles are among them. CSV and JSON get ``proven`` as their last field.
    """
    more = TRADE_FIELDS if not marked and any(isinstance(each, CandleWithTrades) for each in candles[:1]) else ()
    fields = (*FIELDS, *more, *(["proven"] if marked else []))
    if style == "csv":
        if header:
            yield ",".join(fields)
        for candle in candles:
            line = io.StringIO()
            values = [getattr(candle, field) for field in (*FIELDS, *more)]
            values += [str(candle.proven).lower()] if marked else []
            csv.writer(line, lineterminator="").writerow(values)
            yield line.getvalue()
    elif style == "jsonl":
        for candle in candles:
            yield json.dumps({field: getattr(candle, field) for field in fields})
    else:
        yield from _columns(candles, header=header, marked=marked)


def _columns(candles: Sequence[CandleData], *, header: bool, marked: bool) -> Iterator[str]:
    seconds = bool(candles) and candles[0].timeframe.endswith("s")
    form, room = ("%Y-%m-%d %H:%M:%S", 12) if seconds else ("%Y-%m-%d %H:%M", 15)
    if marked:
        room -= 2
    if header:
        names = " ".join(f"{name:>{_PRICE}}" for name in ("open", "high", "low", "close"))
        if marked:
            yield "* imported, not proven"
        if said_apart() is not None:
            yield f"times in {said_apart()}"
        yield f"{headed('open time'):{31 - room}} {names} {'volume':>{room}}"
    for candle in candles:
        prices = " ".join(_price(each) for each in (candle.open, candle.high, candle.low, candle.close))
        mark = "" if not marked else "  " if candle.proven else " *"
        opened = time_shown(candle.open_time, form)
        left = 80 - len(f"{opened}{mark} {prices} ")  # a time with an offset leaves less room
        yield f"{opened}{mark} {prices} {_amount(candle.volume, left):>{left}}"


def _price(value: float) -> str:
    """Return a price with ten digits, or with fewer if they don't fit."""
    texts = (f"{value:,.{digits}g}" for digits in (10, 9, 8))
    return f"{next((each for each in texts if len(each) <= _PRICE), f'{value:,.10g}'):>{_PRICE}}"


def _amount(value: float, room: int) -> str:
    """Return an amount with eight decimals, or with fewer if they don't fit."""
    texts = [f"{value:,.{decimals}f}" for decimals in range(8, -1, -1)]
    return next((each for each in texts if len(each) <= room), texts[-1])


def summary_text(summary: CollectionSummary, title: str, path: str) -> str:
    """Return a summary as two lines for people."""
    start, stop = summary.time_range
    older = summary.stored_older_count
    there = summary.collected_count - (summary.stored_count - older)
    changed = {"replaced": summary.revised_count, "deleted": summary.removed_count}
    lines = [
        f"{title}: {counted(summary.collected_count, 'candle')} stored in {printable(path)}, {span_shown(start, stop)}",
        f"{max(there, 0):,} were stored before, {summary.stored_count:,} stored now"
        + (f", {older:,} of them older than asked," if older else "")
        + "".join(f", {number:,} {what}" for what, number in changed.items() if number)
        + f" with {counted(summary.api_calls_made, 'request')} in {summary.duration_seconds:.1f} s"
        + (f", {summary.retries:,} {'retry' if summary.retries == 1 else 'retries'}" if summary.retries else "")
        + (f", {summary.rate_limited:,} times over the rate limit" if summary.rate_limited else ""),
    ]
    return "\n".join(lines)


def show_table(table: Table, *, no_color: bool = False) -> None:
    """Print a table on stdout: on a terminal in its width and with colours, elsewhere up to 200 columns wide."""
    from rxcandles.cli.terminal import Terminal

    Terminal(width=None if sys.stdout.isatty() else 200, no_color=no_color).print(table)


def summary_table(results: Mapping[str, CollectionSummary | Exception]) -> Table:
    """Return the results of several collections as a table of 80 columns, by title; a failure is marked in words."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    table.add_column("series", no_wrap=True)
    for name in ("candles", "new", "requests", headed("from"), headed("to")):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for title, result in results.items():
        summary = result.summary if isinstance(result, IncompleteError) else result
        if not isinstance(summary, CollectionSummary):
            table.add_row(title, *("-",) * 5, "failed", style="red")
            continue
        new = summary.stored_count - summary.stored_older_count
        numbers = (summary.collected_count, new, summary.api_calls_made)
        ends = (time_shown(moment, "%Y-%m-%d %H:%M") for moment in summary.time_range)
        incomplete = isinstance(result, IncompleteError)
        told = "gaps" if incomplete else ""
        table.add_row(title, *(f"{each:,}" for each in numbers), *ends, told, style="yellow" if incomplete else "")
    return table
