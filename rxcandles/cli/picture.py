"""The live picture of a board: a line for each series, a line for all, and a line for the limiter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rxcandles.cli.board import Board, clock, is_done, rate_of, share
from rxcandles.cli.text import printable
from rxcandles.limiters import LimiterStats, WeightStats
from rxcandles.model.reports import CollectionProgress

__all__ = ["Picture"]

WIDE: Final = 100
"""Width of a terminal, in columns, from which the candles of each series are shown too."""

MOST_BAR: Final = 40
LEAST_BAR: Final = 6
"""Widest and narrowest bar in characters; if there is no room for the narrowest, no bar is drawn."""

GAP: Final = 2
"""Spaces between two columns."""

NAMES: Final = len("limit")

LEAVING: Final = ("candles", "saved", "gaps", "candles/s")
"""Columns that are left out on a narrow terminal, in this order; the series and its share stay."""

AROUND: Final = 7
"""Lines that are not series: heading, the hidden rest, an empty line, all, sent, limit, and the cursor's."""


class Picture:
    """Draws a board each time it is rendered, in the current size of the terminal."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._stopped = False

    def stop(self) -> None:
        """From now on draw only the series: that is the picture that stays after a run was stopped."""
        self._stopped = True

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines."""
        yield from self._series(options.max_width, max(1, console.height - AROUND))
        if not self._stopped:
            yield Text("")
            yield self._all(options.max_width)

    def _series(self, width: int, room: int) -> Iterator[Table | Text]:
        series = dict(self._board.series)
        shown = _most_of_interest(series, room)
        longest = max((len(_held_of(each)) for each in series.values() if each is not None), default=0)
        labels = max(len("series"), *(len(printable(title)) for title in shown)) if shown else len("series")
        columns = {
            "done": 4,
            **({"candles": longest} if width >= WIDE else {}),
            "candles/s": 9,
            "left": 8,
            "gaps": 4,
            "saved": 5,
        }
        for name in LEAVING:
            if labels + GAP + LEAST_BAR + sum(GAP + each for each in columns.values()) > width:
                columns.pop(name, None)
        bar = width - labels - GAP - sum(GAP + each for each in columns.values())
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, GAP, 0, 0))
        table.add_column("series", no_wrap=True, overflow="ellipsis", min_width=min(labels, max(1, width - 14)))
        if bar >= LEAST_BAR:
            table.add_column("", width=min(bar, MOST_BAR))
        for name, least in columns.items():
            table.add_column(name, justify="right", no_wrap=True, min_width=least)
        for title in shown:
            cells = _cells(series[title], self._board.page)
            label = Text(printable(title), style="" if series[title] else "dim")
            drawn = [cells["bar"]] if bar >= LEAST_BAR else []
            table.add_row(label, *drawn, *(cells[name] for name in columns))
        yield table
        if len(shown) < len(series):
            hidden = [progress for title, progress in series.items() if title not in shown]
            done, waiting = sum(map(is_done, hidden)), sum(each is None for each in hidden)
            counts = (f"{done} done", f"{len(hidden) - done - waiting} running", f"{waiting} to come")
            yield Text(_joined([f"and {len(hidden)} more: {counts[0]}", *counts[1:]], width), style="dim", no_wrap=True)

    def _all(self, width: int) -> Table:
        board = self._board
        held, total, limit = board.held, board.total, board.limit
        retries = [f"{board.retries:,} retries"] if board.retries else []
        all_of_it = [f"{held:,} of {total:,} candles", f"{board.rate:,.0f}/s"]
        all_of_it += [f"{clock(board.left)} left"] if held else []
        bars = width - NAMES - LEAST_BAR - 2 * GAP >= len(all_of_it[0])
        room = width - NAMES - GAP - (LEAST_BAR + GAP if bars else 0)
        sent = [f"{max(board.requests, limit.permits if limit else 0):,} requests", *retries]
        rows: list[tuple[str, ProgressBar | Text, str, str]] = [
            ("all", _bar(held, total), _joined(all_of_it, room), ""),
            ("sent", Text(""), _joined(sent, room), ""),
        ]
        done = board.done == len(board.series)
        if limit is not None and not done and (limit.capacity is not None or limit.paused_for > 0):
            bar, parts = _limit(limit)
            rows.append(("limit", bar, _joined(parts, room), "" if limit.paused_for <= 0 else "yellow"))
        text = max(len(row[2]) for row in rows)
        table = Table.grid(padding=(0, GAP, 0, 0))
        table.add_column(style="dim", no_wrap=True, min_width=NAMES)
        if bars:
            table.add_column(width=max(LEAST_BAR, min(MOST_BAR, width - NAMES - 2 * GAP - text)))
        table.add_column(no_wrap=True, overflow="ellipsis")
        for name, bar, words, style in rows:
            table.add_row(name, *([bar] if bars else []), words, style=style)
        return table


def _joined(parts: Sequence[str], room: int) -> str:
    """Return as many of the first parts as fit, joined by commas; no part is cut."""
    text = parts[0]
    for part in parts[1:]:
        if len(text) + 2 + len(part) > room:
            break
        text += f", {part}"
    return text


def _most_of_interest(series: Mapping[str, CollectionProgress | None], room: int) -> list[str]:
    """Return up to ``room`` titles in their order; prefer running series, then waiting ones, then finished ones."""
    if len(series) <= room:
        return list(series)
    rank = {title: 1 if each is None else 2 if is_done(each) else 0 for title, each in series.items()}
    chosen = set(sorted(series, key=rank.__getitem__)[:room])
    return [title for title in series if title in chosen]


def _cells(progress: CollectionProgress | None, page: int) -> dict[str, Text | ProgressBar]:
    """Return the cells of a series' line, by the names of the columns."""
    if progress is None:
        nothing = dict.fromkeys(("done", "candles", "candles/s", "gaps", "saved"), Text(""))
        return {**nothing, "bar": ProgressBar(total=1, completed=0), "left": Text("waits", style="dim")}
    held, total, done = progress.collected_count, progress.total_count, is_done(progress)
    return {
        "bar": _bar(held, total),
        "done": Text(share(held, total), style="green" if done else ""),
        "candles": Text(_held_of(progress)),
        "candles/s": Text(f"{rate_of(progress):,.0f}"),
        "left": Text("done", style="green") if done else Text(clock(progress.estimated_remaining_seconds)),
        "gaps": Text(f"{progress.gaps_found:,}", style="" if progress.gaps_found else "dim"),
        "saved": Text(f"{progress.stored_before // page:,}", style="" if progress.stored_before else "dim"),
    }


def _held_of(progress: CollectionProgress) -> str:
    return f"{progress.collected_count:,} of {progress.total_count:,}"


def _bar(held: int, total: int) -> ProgressBar:
    return ProgressBar(total=max(total, 1), completed=held if total else 1, finished_style="green")


def _limit(limit: LimiterStats) -> tuple[ProgressBar | Text, list[str]]:
    if limit.paused_for > 0:
        return Text("paused"), [f"the exchange asked to wait: {clock(limit.paused_for)} more"]
    window = "second" if abs(limit.window - 1) < 1e-9 else f"{limit.window:g} s"
    unit = limit.unit if isinstance(limit, WeightStats) else "requests"
    parts = [f"{limit.active} of {limit.capacity} {unit} a {window}"]
    parts += [f"{limit.waiting} waiting"] if limit.waiting else []
    parts += [f"{limit.left_to_others} left to others"] if limit.left_to_others else []
    bar = ProgressBar(total=limit.capacity or 1, completed=limit.active, complete_style="cyan", finished_style="cyan")
    return bar, parts
