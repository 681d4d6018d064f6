"""How far collections are, on stderr while they run: a live picture on a terminal, a line every 5 seconds elsewhere."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

import attrs

from rxcandles.cli.logs import logged
from rxcandles.errors import RequestError
from rxcandles.limiters import LimiterStats
from rxcandles.model.reports import CollectionProgress
from rxcandles.ports import RateLimiter
from rxcandles.util.stopping import STOPPING

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Board", "LastProgress", "Output", "board_shown", "progress_shown"]

PLAIN_EVERY: Final = 5.0
"""Seconds between lines of progress where there is no terminal."""

SAMPLED_EVERY: Final = 0.25
"""Seconds between looks at the limiter."""

PAGE: Final = 200
"""Candles that a request would have brought."""


@attrs.frozen
class Output:
    """How much is told beside the results, and how."""

    quiet: bool = False
    verbose: int = 0
    no_color: bool = False

    def __attrs_post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if self.quiet and self.verbose:
            raise RequestError("--quiet and --verbose are both given; give one of them")

    def console(self) -> Console:
        """Return the console on stderr: colours on a terminal only, and not where they are off."""
        from rxcandles.cli.terminal import Terminal

        return Terminal(stderr=True, no_color=self.no_color)


class LastProgress:
    """Keeps the newest progress, for what is said when a run is interrupted."""

    def __init__(self, then: Callable[[CollectionProgress], None]) -> None:
        self.progress: CollectionProgress | None = None
        self._then = then

    def __call__(self, progress: CollectionProgress) -> None:
        """Take the newest progress and show it."""
        self.progress = progress
        self._then(progress)


class Board:
    """The newest progress of each series and of the limiter; ``expected`` are their titles, and candles at first."""

    def __init__(self, expected: Mapping[str, int]) -> None:
        self.series: dict[str, CollectionProgress | None] = dict.fromkeys(expected)
        self.limit: LimiterStats | None = None
        self._expected = dict(expected)
        self._began = time.monotonic()

    def tell(self, title: str, progress: CollectionProgress) -> None:
        """Take the newest progress of one series."""
        self.series[title] = progress

    def look(self, limit: LimiterStats | None) -> None:
        """Take the newest state of the limiter."""
        self.limit = limit

    @asynccontextmanager
    async def watching(self, limiter: RateLimiter) -> AsyncIterator[None]:
        """Look at the limiter now and then while the block runs, where it tells of itself."""
        stats = getattr(limiter, "stats", lambda: None)

        async def sample() -> None:
            while True:
                self.look(stats())
                await asyncio.sleep(SAMPLED_EVERY)

        task = asyncio.create_task(sample())
        try:
            yield
        finally:
            task.cancel()

    @property
    def held(self) -> int:
        """Candles held of all series."""
        return sum(each.collected_count for each in self.series.values() if each is not None)

    @property
    def total(self) -> int:
        """Candles expected of all series."""
        return sum(each.total_count if each else self._expected[title] for title, each in self.series.items())

    @property
    def rate(self) -> float:
        """Candles fetched a second; what was stored is not among them."""
        fetched = sum(map(fetched_of, filter(None, self.series.values())))
        return fetched / self.elapsed if self.elapsed > 0 else 0.0

    @property
    def requests(self) -> int:
        """Requests sent for all series."""
        return sum(each.requests for each in self.series.values() if each is not None)

    @property
    def retries(self) -> int:
        """Attempts after the first of all series."""
        return sum(each.retries for each in self.series.values() if each is not None)

    @property
    def done(self) -> int:
        """Series that have all."""
        return sum(is_done(each) for each in self.series.values())

    @property
    def elapsed(self) -> float:
        """Seconds since this was made."""
        return time.monotonic() - self._began

    @property
    def left(self) -> float:
        """Seconds that the rest will take, by what has been held so far."""
        return self.elapsed / self.held * max(0, self.total - self.held) if self.held else 0.0


def is_done(progress: CollectionProgress | None) -> bool:
    """Whether a series has all that is expected."""
    return progress is not None and progress.collected_count >= progress.total_count


def fetched_of(progress: CollectionProgress) -> int:
    """Return the candles of a series that had to be fetched."""
    return max(0, progress.collected_count - progress.stored_before)


def rate_of(progress: CollectionProgress) -> float:
    """Return the candles of a series that were fetched a second."""
    return fetched_of(progress) / progress.elapsed_seconds if progress.elapsed_seconds > 0 else 0.0


def share(held: int, total: int) -> str:
    """Return how much of the total that is, rounded down: 100% is all of it."""
    return f"{100 * held // total if total else 100}%"


def clock(seconds: float) -> str:
    """Return a time as ``0:01:30``."""
    return str(timedelta(seconds=round(seconds)))


@contextmanager
def board_shown(expected: Mapping[str, int], output: Output, *, live: bool = True) -> Iterator[Board]:
    """Show a board while the block runs, and the log as far as it is asked for; nothing where quiet."""
    console = output.console()
    board: Board
    live = live and not output.quiet and console.is_terminal and not console.is_dumb_terminal
    with logged(console, quiet=output.quiet, verbose=output.verbose):
        if output.quiet:
            yield Board(expected)
        elif live:
            from rich.live import Live

            from rxcandles.cli.picture import Picture

            board = Board(expected)
            STOPPING.before_leaving(partial(os.write, 2, b"\x1b[?25h"))  # the picture has hidden the cursor
            # What goes to stdout meanwhile must not go to stderr, which is where the picture is.
            redirect = sys.stdout is not None and sys.stdout.isatty()
            picture = Picture(board)
            with Live(
                picture, console=console, refresh_per_second=8, transient=True, redirect_stdout=redirect
            ) as shown:
                try:
                    yield board
                except KeyboardInterrupt:
                    picture.stop()
                    shown.transient = False
                    raise
        else:
            yield _Lines(expected, console)


@contextmanager
def progress_shown(title: str, *, quiet: bool) -> Iterator[LastProgress]:
    """Show the progress of one thing on stderr while the block runs."""
    with board_shown({title: 0}, Output(quiet)) as board:
        yield LastProgress(partial(board.tell, title))


class _Lines(Board):
    """A board that prints a line every 5 seconds."""

    def __init__(self, expected: Mapping[str, int], console: Console) -> None:
        super().__init__(expected)
        self._console = console
        self._next = PLAIN_EVERY
        self._name = next(iter(expected)) if len(expected) == 1 else f"{len(expected)} series"

    def tell(self, title: str, progress: CollectionProgress) -> None:
        """Take the newest progress of one series; print a line when it is time."""
        super().tell(title, progress)
        self._print()

    def look(self, limit: LimiterStats | None) -> None:
        """Take the newest state of the limiter; print a line when it is time, also while nothing arrives."""
        super().look(limit)
        self._print()

    def _print(self) -> None:
        if self.elapsed < self._next:
            return
        self._next = self.elapsed + PLAIN_EVERY
        done = f", {self.done} done" if len(self.series) > 1 else ""
        left = f", {clock(self.left)} left" if self.held else ""
        paused = self.limit.paused_for if self.limit is not None else 0.0
        wait = f", paused for {clock(paused)} more" if paused > 0 else ""
        self._console.out(
            f"{self._name}: {self.held:,} of {self.total:,} candles ({share(self.held, self.total)}){done}, "
            f"{self.rate:,.0f}/s{left}{wait}",
            highlight=False,
        )
