"""Print the library's log on stderr while a command runs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from rxcandles.cli.text import printable
from rxcandles.cli.times import ZONE, at_home, home

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["logged"]

# Without a handler, Python would print warnings of the log on stderr even if nobody wants the log.
logging.getLogger("rxcandles").addHandler(logging.NullHandler())

LEVELS: Final = (logging.ERROR, logging.INFO, logging.DEBUG)


@contextmanager
def logged(console: Console, *, quiet: bool, verbose: int) -> Iterator[None]:
    """Print the library's log while the block runs: errors; with ``verbose`` 1 info too, with 2 all; quiet: nothing.

    Without ``verbose`` warnings are not printed: retries are counted in the progress, and the command itself prints
    what failed in the end.
    """
    logger = logging.getLogger("rxcandles")
    level = logging.CRITICAL + 1 if quiet else LEVELS[min(verbose, len(LEVELS) - 1)]
    handler, before = _Printed(console), logger.level
    handler.setLevel(level)
    logger.addHandler(handler)
    if verbose:
        logger.setLevel(level)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


class _Printed(logging.Handler):
    """Prints records above the live picture, if there is one, each with its time."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._zone = ZONE.get()  # records also come from other threads, which have another context
        formatter = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%H:%M:%S")
        formatter.converter = lambda seconds: home(seconds or 0.0).timetuple()
        self.setFormatter(formatter)

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        ZONE.set(self._zone)
        try:
            self._console.out(printable(at_home(self.format(record))), highlight=False)
        except Exception:
            self.handleError(record)
