"""The process's stdout and stderr: what can't be written there ends nothing.

A reader that has enough (``| head``) or a full disk must not end a collection, wherever in it a line is printed. So
the first fault of an output is kept, and what follows goes nowhere. Commands that only print look at it and stop.
"""

from __future__ import annotations

import io
import os
import select
import sys
from typing import Any

__all__ = ["fault", "finish", "guard", "reader_left"]


class _Kept(io.RawIOBase):
    """What is written to a file descriptor; a fault is kept instead of raised."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.fault: OSError | None = None

    def write(self, data: Any) -> int:
        """Write, or drop it once that has failed."""
        while self.fault is None:
            try:
                return os.write(self._number, data)
            except BlockingIOError:
                select.select([], [self._number], [])
            except OSError as error:
                self.fault = error
        return len(data)

    def fileno(self) -> int:
        """Return the number that this writes to."""
        return self._number

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return os.isatty(self._number)

    def writable(self) -> bool:
        """Return True."""
        return True


def guard() -> None:
    """Put streams that keep their faults in the place of ``sys.stdout`` and ``sys.stderr``.

    What an encoding can't say (a box or a Korean name in cp1252) is written out, as ``\\u2588``, unless the
    environment asks for something else (``PYTHONIOENCODING``).
    """
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is None:  # it was closed, and the number is the null device's now
            setattr(sys, name, open(number, "w", encoding="utf-8", errors="backslashreplace", closefd=False))  # noqa: SIM115
            continue
        errors = "backslashreplace" if stream.errors == "strict" else stream.errors
        if os.name == "nt" and stream.isatty():  # a console there is no file
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
    """Return why nothing more can be written to stdout; None where it can."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return raw.fault if isinstance(raw, _Kept) else None


def reader_left() -> bool:
    """Whether whoever read stdout has enough."""
    return isinstance(fault(), BrokenPipeError)


def finish() -> OSError | None:
    """Write what is left to be written; return a fault that is to be told: not that a reader has enough."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    return None if reader_left() else fault()
