"""Print the library's log on stderr while a command runs, and write it to a file."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import WatchedFileHandler
from typing import TYPE_CHECKING, Final

from rxcandles.cli.text import echo, printable
from rxcandles.cli.times import ZONE, at_home, home
from rxcandles.errors import RequestError

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["logged"]

# Without a handler, Python would print warnings of the log on stderr even if nobody wants the log.
logging.getLogger("rxcandles").addHandler(logging.NullHandler())

LEVELS: Final = (logging.ERROR, logging.INFO, logging.DEBUG)


@contextmanager
def logged(console: Console, *, quiet: bool, verbose: int, path: str | None = None) -> Iterator[None]:
    """Print the library's log while the block runs: errors; with ``verbose`` 1 info too, with 2 all; quiet: nothing.

    Without ``verbose`` warnings are not printed, but for those of a server that is away: retries are counted in the
    progress, and the command itself prints what failed in the end.

    * ``path``: a file that gets the log too, whatever is printed: from info on; with ``verbose`` 2 all. A program may
      move it away at any time; the next record begins another. Raises ``RequestError`` if it can't be written.
    """
    logger = logging.getLogger("rxcandles")
    level = logging.CRITICAL + 1 if quiet else LEVELS[min(verbose, len(LEVELS) - 1)]
    handlers: list[logging.Handler] = [_Printed(console)]
    if not quiet:  # a run that stands still must say why
        handlers[0].addFilter(lambda record: record.levelno >= level or getattr(record, "event", "") == "reconnect")
        handlers[0].setLevel(min(level, logging.WARNING))
    else:
        handlers[0].setLevel(level)
    if path is not None:
        handlers.append(_Written.to(path))
        handlers[1].setLevel(min(level, logging.INFO))
    before = logger.level
    for handler in handlers:
        logger.addHandler(handler)
    if verbose or path is not None:
        logger.setLevel(min(each.level for each in handlers))
    try:
        yield
    finally:
        for handler in handlers:
            logger.removeHandler(handler)
            handler.close()
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


class _Written(WatchedFileHandler):
    """Appends records to a file, each with its date and time in UTC; if that fails, says so once, and goes on."""

    @classmethod
    def to(cls, path: str) -> _Written:
        """Open a file; raise RequestError if that fails."""
        try:
            handler = cls(path, encoding="utf-8")
        except OSError as error:
            raise RequestError(
                f"the log can't be written to {path!r}: {error.strerror or error}; "
                "give a file in a folder that is there"
            ) from error
        formatter = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%SZ")
        formatter.converter = time.gmtime
        handler.setFormatter(formatter)
        return handler

    _failing = False

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as one safe line."""
        return printable(super().format(record))

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, to another file if this one was moved."""
        failed = self._failing
        self._failing = False
        try:
            super().emit(record)
        except OSError:  # its folder is gone
            self.handleError(record)
        if self._failing and not failed:
            echo(f"rxcandles: the log {self.baseFilename} can't be written, and the work goes on", err=True)

    def handleError(self, record: logging.LogRecord) -> None:
        """Remember that a record was not written."""
        self._failing = True
