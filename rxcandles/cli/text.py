"""Text that is safe to show, and the one way to print it."""

from __future__ import annotations

import io
import sys
from typing import Final

__all__ = ["counted", "echo", "lenient_streams", "printable", "write_bytes"]

_DELETE: Final = "\x7f"


def printable(text: str) -> str:
    """Return ``text`` with everything written out (``\\x1b``) that a terminal would act on instead of showing it."""
    if text.isprintable():
        return text
    # JSON leaves a delete character as it is, and knows no \x.
    return "".join(each if each.isprintable() else "\\u007f" if each == _DELETE else ascii(each)[1:-1] for each in text)


def echo(*lines: str, err: bool = False) -> None:
    """Print lines on stdout or stderr, whatever they hold: names and messages that come from a file or an answer.

    All that the command line prints goes through here or through a ``Terminal``.
    """
    stream = sys.stderr if err else sys.stdout
    if stream is not None:
        stream.write("".join(f"{printable(line)}\n" for line in lines))
        stream.flush()


def lenient_streams() -> None:
    """Let stdout and stderr write out (``\\uc2dc``) what their encoding does not have, instead of raising."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def counted(number: int, what: str) -> str:
    """Return so many of something as people write it: ``1 request``, ``1,440 requests``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def write_bytes(content: bytes) -> None:
    """Write what is no text on stdout."""
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.flush()
