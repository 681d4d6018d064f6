"""The live picture of a board: a line for each series, all of them together, and the limiter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rxcandles.cli.display import PAGE, Board, clock, is_done, rate_of, share
from rxcandles.cli.text import printable
from rxcandles.limiter import LimiterStats
from rxcandles.reports import CollectionProgress

__all__ = ["Picture"]

WIDE: Final = 100
"""Columns from which the candles of each series are shown too."""

AROUND: Final = 7
"""Lines that are no series: heading, the rest, an empty one, all, limit, and room for the cursor."""


class Picture:
    """Draws a board anew each time it is rendered, to the terminal's size of that moment."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines."""
        wide = options.max_width >= WIDE
        yield from self._series(wide, max(1, console.height - AROUND))
        yield Text("")
        yield self._all(wide)

    def _series(self, wide: bool, room: int) -> Iterator[Table | Text]:
        table = Table(box=None, expand=True, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
        table.add_column("series", no_wrap=True)
        table.add_column("", ratio=1)
        series = dict(self._board.series)
        longest = max((len(_held_of(each)) for each in series.values() if each is not None), default=0)
        columns = {
            "done": 4,
            **({"candles": longest} if wide else {}),
            "candles/s": 9,
            "left": 8,
            "gaps": 4,
            "saved": 5,
        }
        for name, width in columns.items():
            table.add_column(name, justify="right", no_wrap=True, min_width=width)
        shown = _most_of_interest(series, room)
        for title in shown:
            table.add_row(*_row(title, series[title], wide))
        yield table
        if len(shown) < len(series):
            hidden = [progress for title, progress in series.items() if title not in shown]
            done, waiting = sum(map(is_done, hidden)), sum(each is None for each in hidden)
            text = f"and {len(hidden)} more: {done} done, {len(hidden) - done - waiting} running, {waiting} to come"
            yield Text(text, style="dim", no_wrap=True, overflow="ellipsis")

    def _all(self, wide: bool) -> Table:
        board = self._board
        width = 30 if wide else 18
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(style="dim", no_wrap=True)
        table.add_column(width=width)
        table.add_column(no_wrap=True, overflow="ellipsis")
        held, total, limit = board.held, board.total, board.limit
        left = f", {clock(board.left)} left" if held else ""
        table.add_row(
            "all", _bar(held, total),
            f"{held:,} of {total:,} candles, {board.rate:,.0f}/s{left}",
        )  # fmt: skip
        retries = f", {board.retries:,} retries" if board.retries else ""
        table.add_row("sent", "", f"{max(board.requests, limit.permits if limit else 0):,} requests{retries}")
        done = board.done == len(board.series)
        if limit is not None and not done and (limit.capacity is not None or limit.paused_for > 0):
            table.add_row("limit", *_limit(limit), style="" if limit.paused_for <= 0 else "yellow")
        return table


def _most_of_interest(series: Mapping[str, CollectionProgress | None], room: int) -> list[str]:
    """Return up to ``room`` titles in their order: those that run, then those to come, then those done."""
    if len(series) <= room:
        return list(series)
    rank = {title: 1 if each is None else 2 if is_done(each) else 0 for title, each in series.items()}
    chosen = set(sorted(series, key=rank.__getitem__)[:room])
    return [title for title in series if title in chosen]


def _row(title: str, progress: CollectionProgress | None, wide: bool) -> list[Text | ProgressBar]:
    if progress is None:
        waits = [Text("")] * (3 if wide else 2) + [Text("waits", style="dim"), Text(""), Text("")]
        return [Text(printable(title), style="dim"), ProgressBar(total=1, completed=0), *waits]
    held, total, done = progress.collected_count, progress.total_count, is_done(progress)
    candles = [Text(_held_of(progress))] if wide else []
    return [
        Text(printable(title)),
        _bar(held, total),
        Text(share(held, total), style="green" if done else ""),
        *candles,
        Text(f"{rate_of(progress):,.0f}"),
        Text("done", style="green") if done else Text(clock(progress.estimated_remaining_seconds)),
        Text(f"{progress.gaps_found:,}", style="" if progress.gaps_found else "dim"),
        Text(f"{progress.stored_before // PAGE:,}", style="" if progress.stored_before else "dim"),
    ]


def _held_of(progress: CollectionProgress) -> str:
    return f"{progress.collected_count:,} of {progress.total_count:,}"


def _bar(held: int, total: int) -> ProgressBar:
    return ProgressBar(total=max(total, 1), completed=held if total else 1, finished_style="green")


def _limit(limit: LimiterStats) -> tuple[ProgressBar | Text, Text]:
    if limit.paused_for > 0:
        return Text("paused"), Text(f"the exchange asked to wait: {clock(limit.paused_for)} more")
    waiting = f", {limit.waiting} waiting" if limit.waiting else ""
    others = f", {limit.left_to_others} left to others" if limit.left_to_others else ""
    window = "second" if abs(limit.window - 1) < 1e-9 else f"{limit.window:g} s"
    bar = ProgressBar(total=limit.capacity or 1, completed=limit.active, complete_style="cyan", finished_style="cyan")
    return bar, Text(f"{limit.active} of {limit.capacity} requests a {window}{waiting}{others}")
