"""Which file a connection has open, since its path may lead to another file by now.

SQLite goes on writing to a file that was deleted or renamed, and nobody would find what it commits there. The same
holds for the ``-wal`` that it commits to, and for the ``-shm`` by which it coordinates with other processes.
"""

from __future__ import annotations

import os
from typing import Final

from rxcandles.errors import StoreError
from rxcandles.util.forks import OwnProcess

__all__ = ["OpenedFile"]

_SIDECARS: Final = ("-wal", "-shm")


class OpenedFile:
    """The file that ``path`` leads to when this object is made, right after it was opened; ``name`` is used in errors.

    A ``frozen`` file is read as if nobody could write to it, so it must not change.
    """

    def __init__(self, path: str, name: str, *, frozen: bool = False) -> None:
        self._path = path
        self._frozen = _content(path) if frozen else None
        self._name = name
        self._process = OwnProcess(name)
        self._known = {"": _identity(path)}

    def know_sidecars(self) -> None:
        """Record the current ``-wal`` and ``-shm`` as its own; they are, from the first read on."""
        self._known |= {suffix: _identity(self._path + suffix) for suffix in _SIDECARS}

    @property
    def forked(self) -> bool:
        """Whether this is a fork of the process that opened the file."""
        return self._process.forked

    def check_process(self) -> None:
        """Raise ``StoreError`` in a fork of the process that opened the file: SQLite's connections do not survive a
        fork.
        """
        self._process.check()

    def check(self, *, absent_ok: bool = False) -> None:
        """Raise ``StoreError`` if the file or a sidecar was deleted, moved or replaced; takes some microseconds.

        ``absent_ok`` is for reading: a file that is gone but not replaced can still be read as it was.
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
        """Raise ``StoreError`` if a frozen file has been written to nevertheless."""
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
