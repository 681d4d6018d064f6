"""A small file that only its user can reach, for a state that the user's processes on this machine share."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path
from typing import Final

from rxcandles.errors import StoreError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["CAN_LOCK", "LOCK_WAIT", "LockedError", "SharedFile"]

CAN_LOCK: Final = fcntl is not None
"""Whether this system has file locking."""

LOCK_WAIT: Final = 0.25
"""Seconds to wait for the lock, thousands of times as long as a step holds it: a longer holder is a stopped process."""


class LockedError(StoreError):
    """Another process holds the lock, and is stopped."""


class SharedFile:
    """Reads and writes such a file; raises ``StoreError`` and ``OSError`` if it can't be used.

    It is opened anew each time: an open file would be shared with a forked child, and its lock with it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> bytes:
        """Return its content without waiting for the lock: a change may be under way."""
        file = self.open()
        try:
            return os.read(file, os.fstat(file).st_size)
        finally:
            os.close(file)

    def lock(self) -> int:
        """Open the file and lock it; again if it was deleted between the two. Closing it unlocks it."""
        until = time.monotonic() + LOCK_WAIT
        while True:
            file = self.open()
            try:
                # Try again and again: waiting for the lock in the system would stop this loop for as long as it is
                # held.
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(file).st_nlink:
                    return file
            except BlockingIOError:
                if time.monotonic() >= until:
                    os.close(file)
                    message = f"it has been locked for {LOCK_WAIT:g} s by a process that must be stopped"
                    raise LockedError(message) from None
                time.sleep(0.0005)
            except BaseException:
                os.close(file)
                raise
            os.close(file)

    def open(self) -> int:
        """Open the file; make it and its folder if they do not exist."""
        path = self.path
        try:
            folder = os.lstat(path.parent)
        except FileNotFoundError:
            os.makedirs(path.parent, mode=0o700, exist_ok=True)
            folder = os.lstat(path.parent)
        _check(path.parent, folder, folder=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
        try:
            _check(path, os.fstat(file), folder=False)
        except BaseException:
            os.close(file)
            raise
        return file


def _check(path: Path, found: os.stat_result, *, folder: bool) -> None:
    kind = "a folder" if folder else "a plain file"
    if not (stat.S_ISDIR(found.st_mode) if folder else stat.S_ISREG(found.st_mode)):
        raise StoreError(f"{path} is not {kind} (or a symbolic link); remove it, or give another folder")
    if found.st_uid != os.geteuid():
        raise StoreError(f"{path} belongs to user {found.st_uid}, not to you ({os.geteuid()}); give another folder")
    if found.st_mode & 0o022:
        raise StoreError(
            f"{path} can be written by others (mode {found.st_mode & 0o777:04o}); take that away with chmod"
        )
