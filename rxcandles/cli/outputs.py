"""Stdout and stderr of the process; a failing output does not end a command.

A closed pipe (``| head``) or a full disk must not end a collection, wherever a line is printed. So the first fault of
an output is kept, and later text is dropped. A command that only prints looks at the fault, and stops.
"""

from __future__ import annotations

import io
import os
import select
import sys
from typing import Any

__all__ = ["fault", "finish", "guard", "reader_left"]


class _Kept(io.RawIOBase):
    """Writes to a file descriptor; keeps the first fault instead of raising it."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.fault: OSError | None = None

    def write(self, data: Any) -> int:
        """Write the data, or drop it after a fault."""
        while self.fault is None:
            try:
                return os.write(self._number, data)
            except BlockingIOError:
                select.select([], [self._number], [])
            except OSError as error:
                self.fault = error
        return len(data)

    def fileno(self) -> int:
        """Return the number of the file descriptor."""
        return self._number

    def isatty(self) -> bool:
        """Whether the file descriptor is a terminal."""
        return os.isatty(self._number)

    def writable(self) -> bool:
        """Return True."""
        return True


def guard() -> None:
    """Replace ``sys.stdout`` and ``sys.stderr`` by streams that keep their faults.

    A character that the encoding does not have (a box or a Korean name in cp1252) is written as ``\\u2588``, unless
    ``PYTHONIOENCODING`` sets another handler.
    """
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is None:  # it was closed; its number is now the null device
            setattr(sys, name, open(number, "w", encoding="utf-8", errors="backslashreplace", closefd=False))  # noqa: SIM115
            continue
        errors = "backslashreplace" if stream.errors == "strict" else stream.errors
        if os.name == "nt" and stream.isatty():  # on Windows, a console is not a file
            stream.reconfigure(errors=errors)
            continue
        stream.flush()
        text = io.TextIOWrapper(
            io.BufferedWriter(_Kept(number)),
            stream.encoding,
            errors,
            line_buffering=stream.line_buffering,
            write_through=stream.write_through,
        )
        setattr(sys, name, text)


def fault() -> OSError | None:
    """Return why stdout can't be written to any more; None if it can."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return raw.fault if isinstance(raw, _Kept) else None


def reader_left() -> bool:
    """Whether the reader of stdout has closed it."""
    return isinstance(fault(), BrokenPipeError)


def finish() -> OSError | None:
    """Flush both outputs; return the fault of stdout, but None if only its reader has closed it."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    return None if reader_left() else fault()
