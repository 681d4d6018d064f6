"""Which file a connection has open: its path may lead to another one by now.

SQLite goes on writing to a file that was deleted or renamed, and nobody would ever find what it commits there. The same
is true of the ``-wal`` that it commits to, and of the ``-shm`` by which it agrees with other processes.
"""

from __future__ import annotations

import os
from typing import Final

from rxcandles.errors import StoreError
from rxcandles.util.forks import OwnProcess

__all__ = ["OpenedFile"]

_SIDECARS: Final = ("-wal", "-shm")


class OpenedFile:
    """The file that ``path`` leads to when this is made, right after it was opened; ``name`` is what errors call it.

    One that is ``frozen`` is read as if nobody could write to it, so it must not change either.
    """

    def __init__(self, path: str, name: str, *, frozen: bool = False) -> None:
        self._path = path
        self._frozen = _content(path) if frozen else None
        self._name = name
        self._process = OwnProcess(name)
        self._known = {"": _identity(path)}

    def know_sidecars(self) -> None:
        """Take the ``-wal`` and ``-shm`` that are there now for its own, which they are from its first reading on."""
        self._known |= {suffix: _identity(self._path + suffix) for suffix in _SIDECARS}

    @property
    def forked(self) -> bool:
        """Whether this is a fork of the process that has opened it."""
        return self._process.forked

    def check_process(self) -> None:
        """Raise ``StoreError`` in a fork of the process that has opened it: SQLite's connections don't live there."""
        self._process.check()

    def check(self, *, absent_ok: bool = False) -> None:
        """Raise ``StoreError`` where it, or a sidecar, has been deleted, moved or replaced; takes some microseconds.

        ``absent_ok`` is for reading: what is gone, but not replaced, is still read as it was.
        """
        self.check_content()
        for suffix, known in self._known.items():
            found = _identity(self._path + suffix)
            if found != known and known is not None and not (found is None and absent_ok):
                raise StoreError(
                    f"{self._name}{suffix} was deleted, moved or replaced while it was open; what had been stored is in"
                    " the file that was opened, and nothing more goes there: put it back or do without it, open the"
                    " store again, and the same request brings the rest"
                )

    def check_content(self) -> None:
        """Raise ``StoreError`` where one that is frozen has been written to all the same."""
        if self._frozen is not None and _content(self._path) not in (self._frozen, None):
            raise StoreError(f"{self._name} was written to while it was read; ask again")


def _content(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
