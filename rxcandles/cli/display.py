"""Show progress on stderr while a command runs: a live picture on a terminal, elsewhere a line every 5 seconds."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

import attrs

from rxcandles.cli.logs import logged
from rxcandles.errors import RequestError
from rxcandles.limiters import LimiterStats
from rxcandles.model.reports import CollectionProgress
from rxcandles.util.stopping import STOPPING

if TYPE_CHECKING:
    from rich.console import Console

from rxcandles.cli.board import PAGE, Board, clock, share

__all__ = ["LastProgress", "Output", "board_shown", "progress_shown"]

PLAIN_EVERY: Final = 5.0
"""Seconds between lines of progress if stderr is not a terminal."""


@attrs.frozen
class Output:
    """How and where results are written, and how much is shown beside them."""

    quiet: bool = False
    verbose: int = 0
    no_color: bool = False
    as_json: bool = False
    style: str | None = None
    """Format of the candles."""
    path: str | None = None
    """File to write; ``-`` is stdout."""
    force: bool = False
    """Whether any existing file may be replaced."""
    most: int | None = None
    """Most findings of each kind that are shown."""

    def __attrs_post_init__(self) -> None:
        """Raise RequestError for options that contradict each other."""
        if self.quiet and self.verbose:
            raise RequestError("--quiet and --verbose are both given; give one of them")

    def console(self) -> Console:
        """Return the console on stderr; it has colours only on a terminal, and if they are not turned off."""
        from rxcandles.cli.terminal import Terminal

        return Terminal(stderr=True, no_color=self.no_color)


class LastProgress:
    """Keeps the newest progress, and passes it on."""

    def __init__(self, then: Callable[[CollectionProgress], None]) -> None:
        self.progress: CollectionProgress | None = None
        self._then = then

    def __call__(self, progress: CollectionProgress) -> None:
        """Record the newest progress, and pass it on."""
        self.progress = progress
        self._then(progress)


@contextmanager
def board_shown(expected: Mapping[str, int], output: Output, *, live: bool = True, page: int = PAGE) -> Iterator[Board]:
    """Show a board while the block runs, and the log if it is wanted; with ``quiet`` nothing.

    * ``expected``: see :class:`~rxcandles.cli.board.Board`.
    * ``live``: draw a picture if stderr is a terminal.
    * ``page``: candles of one request.
    """
    console = output.console()
    board: Board
    live = live and not output.quiet and console.is_terminal and not console.is_dumb_terminal
    with logged(console, quiet=output.quiet, verbose=output.verbose):
        if output.quiet:
            yield Board(expected, page)
        elif live:
            from rich.live import Live

            from rxcandles.cli.picture import Picture

            board = Board(expected, page)
            STOPPING.before_leaving(partial(os.write, 2, b"\x1b[?25h"))  # show the cursor, which the picture hides
            # Text for stdout must not go to stderr, where the picture is; redirect it only if both are the terminal.
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
def progress_shown(title: str, *, quiet: bool, page: int) -> Iterator[LastProgress]:
    """Show the progress of one thing on stderr while the block runs."""
    with board_shown({title: 0}, Output(quiet), page=page) as board:
        yield LastProgress(partial(board.tell, title))


class _Lines(Board):
    """A board that prints a line every 5 seconds."""

    def __init__(self, expected: Mapping[str, int], console: Console) -> None:
        super().__init__(expected)
        self._console = console
        self._next = PLAIN_EVERY
        self._name = next(iter(expected)) if len(expected) == 1 else f"{len(expected)} series"

    def tell(self, title: str, progress: CollectionProgress) -> None:
        """Record the newest progress of one series; print a line if it is time."""
        super().tell(title, progress)
        self._print()

    def look(self, limit: LimiterStats | None) -> None:
        """Record the newest state of the limiter; print a line if it is time, also while no candles arrive."""
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
