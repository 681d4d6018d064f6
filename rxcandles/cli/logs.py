"""The library's log on stderr, while a command runs."""

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

# Where nothing asks for the log, nothing of it is seen: Python prints the warnings that nobody takes.
logging.getLogger("rxcandles").addHandler(logging.NullHandler())

LEVELS: Final = (logging.ERROR, logging.INFO, logging.DEBUG)


@contextmanager
def logged(console: Console, *, quiet: bool, verbose: int) -> Iterator[None]:
    """Print what the library logs while the block runs: errors, with ``verbose`` all of it; nothing where quiet.

    Faults that pass are counted where progress is shown, and what fails in the end is said by the command itself.
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
    """Prints above the live picture, if there is one; the time in front, as in any log."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._zone = ZONE.get()  # records come from other threads too
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
