"""Whether a process may open as many files as a server in it takes, before a client waits for a connection in vain."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import Final

__all__ = ["check_room"]

ENOUGH: Final = 24
"""Files: both ends of eight connections, the database's, and some to spare."""


def check_room() -> None:
    """Raise ``OSError`` in words where this process may not open that many files more."""
    opened: list[int] = []
    try:
        opened += (os.open(os.devnull, os.O_RDONLY) for _ in range(ENOUGH))
    except OSError as error:
        if error.errno != errno.EMFILE:
            return  # whoever opens the next one will say so
        raise OSError(
            f"this process may not open the {ENOUGH} files that a simulator in it takes; allow it more: `ulimit -n 256`"
        ) from None
    finally:
        for each in opened:
            with suppress(OSError):
                os.close(each)
