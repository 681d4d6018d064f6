"""What the command line shows: progress on stderr, candles on stdout."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

import attrs
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from rxcandles.frames.text import FIELDS
from rxcandles.model import CandleData
from rxcandles.reports import CollectionProgress, CollectionSummary

__all__ = [
    "FORMATS",
    "LastProgress",
    "coverage_table",
    "format_candles",
    "printable",
    "progress_shown",
    "summary_json",
    "summary_text",
]

FORMATS: Final = ("table", "csv", "jsonl")

PLAIN_EVERY: Final = 5.0
"""Seconds between lines of progress where there is no terminal."""


def printable(text: str) -> str:
    """Return ``text`` with everything written out (``\\x1b``) that a terminal would act on instead of showing it."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


class LastProgress:
    """Keeps the newest progress, for what is said when a run is interrupted."""

    def __init__(self, then: Callable[[CollectionProgress], None]) -> None:
        self.progress: CollectionProgress | None = None
        self._then = then

    def __call__(self, progress: CollectionProgress) -> None:
        """Take the newest progress and show it."""
        self.progress = progress
        self._then(progress)


@contextmanager
def progress_shown(title: str, *, quiet: bool) -> Iterator[LastProgress]:
    """Show progress on stderr while the block runs: a bar on a terminal, a line every 5 seconds elsewhere."""
    console = Console(stderr=True)
    if quiet:
        yield LastProgress(lambda progress: None)
    elif console.is_terminal:
        bar = Progress(
            TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
            TextColumn("{task.completed:,.0f} of {task.total:,.0f} candles, {task.fields[rate]:,.0f}/s"),
            TimeRemainingColumn(), console=console,
        )  # fmt: skip
        with bar:
            task = bar.add_task(title, total=1, rate=0.0)

            def show(progress: CollectionProgress) -> None:
                bar.update(
                    task,
                    completed=progress.collected_count,
                    total=max(progress.total_count, 1),
                    rate=_rate(progress),
                )

            yield LastProgress(show)
    else:
        yield LastProgress(_Lines(title, console))


class _Lines:
    def __init__(self, title: str, console: Console) -> None:
        self._title = title
        self._console = console
        self._next = PLAIN_EVERY

    def __call__(self, progress: CollectionProgress) -> None:
        if progress.elapsed_seconds < self._next:
            return
        self._next = progress.elapsed_seconds + PLAIN_EVERY
        share = progress.collected_count / max(progress.total_count, 1)
        left = timedelta(seconds=round(progress.estimated_remaining_seconds))
        self._console.out(
            f"{self._title}: {progress.collected_count:,} of {progress.total_count:,} candles ({share:.0%}), "
            f"{_rate(progress):,.0f}/s, {left} left",
            highlight=False,
        )


def _rate(progress: CollectionProgress) -> float:
    return progress.collected_count / progress.elapsed_seconds if progress.elapsed_seconds > 0 else 0.0


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


def summary_json(summary: CollectionSummary) -> str:
    """Return a summary as one JSON object, times in ISO 8601."""
    plain = attrs.asdict(summary, recurse=True)
    plain["overlap_analysis_results"] = dict(summary.overlap_analysis_results)
    plain["time_range"] = [moment.isoformat() for moment in summary.time_range]
    plain["failed_spans"] = [
        {"start": each.start.isoformat(), "stop": each.stop.isoformat(), "reason": each.reason}
        for each in summary.failed_spans
    ]
    return json.dumps(plain)


def summary_text(summary: CollectionSummary, title: str, path: str) -> str:
    """Return a summary as two or three lines for people."""
    start, stop = summary.time_range
    there = summary.collected_count - summary.stored_count
    lines = [
        f"{title}: {summary.collected_count:,} candles held in {printable(path)}, "
        f"{start:%Y-%m-%d %H:%M:%S} to {stop:%Y-%m-%d %H:%M:%S} UTC",
        f"{max(there, 0):,} were there, {summary.stored_count:,} stored now with {summary.api_calls_made:,} requests "
        f"in {summary.duration_seconds:.1f} s"
        + (f", {summary.retries:,} retries" if summary.retries else "")
        + (f", {summary.rate_limited:,} times over the rate limit" if summary.rate_limited else ""),
    ]
    return "\n".join(lines)


def coverage_table(rows: Iterable[dict[str, object]]) -> Table:
    """Return what is stored as a table: series, ends, candles, empty slots, holes."""
    table = Table(box=None, pad_edge=False)
    for name in ("exchange", "symbol", "timeframe"):
        table.add_column(name, no_wrap=True)
    for name in ("from (UTC)", "to (UTC)", "candles", "no trade", "holes", "missing slots"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in row.values()))
    return table
