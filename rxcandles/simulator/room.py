"""Where a server may listen, and whether its process may open as many files as that takes."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from ipaddress import ip_address
from typing import Final

from rxcandles.util.arguments import refusal

__all__ = ["check_room", "loopback"]

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


def loopback(host: str) -> str:
    """Return the address to listen on. A name is never looked up: it might be another machine's."""
    try:
        if host == "localhost":
            return "127.0.0.1"
        if isinstance(host, str) and ip_address(host).is_loopback:
            return host
    except ValueError:
        pass
    raise refusal("host", host, "take a loopback address, such as '127.0.0.1': a simulator has no other")
