"""Make text safe to show, and print it."""

from __future__ import annotations

import io
import sys
from typing import Final

__all__ = ["counted", "echo", "lenient_streams", "printable", "write_bytes"]

_DELETE: Final = "\x7f"


def printable(text: str) -> str:
    """Return ``text`` with control characters written out (``\\x1b``), so that a terminal shows them."""
    if text.isprintable():
        return text
    # In JSON, \x is not valid, and json.dumps leaves a delete character as it is.
    return "".join(each if each.isprintable() else "\\u007f" if each == _DELETE else ascii(each)[1:-1] for each in text)


def echo(*lines: str, err: bool = False) -> None:
    """Print lines on stdout or stderr; text from files and answers is safe, as it is made printable.

    Everything that the command line prints goes through here or through a ``Terminal``.
    """
    stream = sys.stderr if err else sys.stdout
    if stream is not None:
        stream.write("".join(f"{printable(line)}\n" for line in lines))
        stream.flush()


def lenient_streams() -> None:
    """Let stdout and stderr write ``\\uc2dc`` for a character that their encoding does not have, instead of raising."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def counted(number: int, what: str) -> str:
    """Return a number with its noun: ``1 request``, ``1,440 requests``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def write_bytes(content: bytes) -> None:
    """Write bytes to stdout."""
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.flush()
