"""What the command line prints: candles, summaries, tables."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from rxcandles.cli.text import counted, printable
from rxcandles.errors import IncompleteError
from rxcandles.frames.text import FIELDS
from rxcandles.model import CandleData
from rxcandles.reports import CollectionSummary

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


def format_candles(candles: Iterable[CandleData], style: str, *, header: bool = True) -> Iterator[str]:
    """Yield candles as lines of text: aligned columns, CSV, or a JSON object each, by Upbit's field names."""
    if style == "csv":
        if header:
            yield ",".join(FIELDS)
        for candle in candles:
            line = io.StringIO()
            csv.writer(line, lineterminator="").writerow([getattr(candle, field) for field in FIELDS])
            yield line.getvalue()
    elif style == "jsonl":
        for candle in candles:
            yield json.dumps({field: getattr(candle, field) for field in FIELDS})
    else:
        if header:
            yield f"{'open time (UTC)':19} {'open':>14} {'high':>14} {'low':>14} {'close':>14} {'volume':>18}"
        for candle in candles:
            prices = " ".join(f"{price:>14,.10g}" for price in (candle.open, candle.high, candle.low, candle.close))
            yield f"{candle.open_time:%Y-%m-%d %H:%M:%S} {prices} {candle.volume:>18,.8f}"


def summary_text(summary: CollectionSummary, title: str, path: str) -> str:
    """Return a summary as two or three lines for people."""
    start, stop = summary.time_range
    older = summary.stored_older_count
    there = summary.collected_count - (summary.stored_count - older)
    changed = {"replaced": summary.revised_count, "deleted": summary.removed_count}
    lines = [
        f"{title}: {counted(summary.collected_count, 'candle')} held in {printable(path)}, "
        f"{start:%Y-%m-%d %H:%M:%S} to {stop:%Y-%m-%d %H:%M:%S} UTC",
        f"{max(there, 0):,} were there, {summary.stored_count:,} stored now"
        + (f", {older:,} of them older than asked," if older else "")
        + "".join(f", {number:,} {what}" for what, number in changed.items() if number)
        + f" with {counted(summary.api_calls_made, 'request')} in {summary.duration_seconds:.1f} s"
        + (f", {summary.retries:,} {'retry' if summary.retries == 1 else 'retries'}" if summary.retries else "")
        + (f", {summary.rate_limited:,} times over the rate limit" if summary.rate_limited else ""),
    ]
    return "\n".join(lines)


def show_table(table: Table, *, no_color: bool = False) -> None:
    """Print a table on stdout: as wide as the terminal, with colours there only; up to 200 columns elsewhere."""
    from rxcandles.cli.terminal import Terminal

    Terminal(width=None if sys.stdout.isatty() else 200, no_color=no_color).print(table)


def summary_table(results: Mapping[str, CollectionSummary | Exception]) -> Table:
    """Return what several collections came to as a table that fits 80 columns, by title; a failure has a word of it."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("series", no_wrap=True)
    for name in ("candles", "new", "requests", "from (UTC)", "to (UTC)"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for title, result in results.items():
        summary = result.summary if isinstance(result, IncompleteError) else result
        if not isinstance(summary, CollectionSummary):
            table.add_row(title, *("-",) * 5, "failed", style="red")
            continue
        new = summary.stored_count - summary.stored_older_count
        numbers = (summary.collected_count, new, summary.api_calls_made)
        ends = (f"{moment:%Y-%m-%d %H:%M}" for moment in summary.time_range)
        incomplete = isinstance(result, IncompleteError)
        told = "holes" if incomplete else ""
        table.add_row(title, *(f"{each:,}" for each in numbers), *ends, told, style="yellow" if incomplete else "")
    return table
