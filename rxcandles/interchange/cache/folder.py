"""The folder of copies, ``candles.db.cache`` beside ``candles.db``: names, owners, and how much there may be.

A copy is called ``SERIES.2024-01.REVISION.SUM.parquet``, all in hexadecimal digits, so no two names differ by case
only. An empty file ``SERIES.2024-01.REVISION.seen`` says that a month was read, and not copied. Whatever happens to the
folder, or to files in it, costs time and nothing else: nothing here raises an ``OSError``.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from typing import IO, Final

from rxcandles.model.timeframe import to_datetime
from rxcandles.ports import CachePlace, Month

__all__ = ["FRESH", "MOST_FILES", "Folder"]

MOST_FILES: Final = 4000
FRESH: Final = 600
"""Seconds for which a file that was used stays: more than fits, read in turn, would only displace itself."""

_UNFINISHED: Final = 3600
"""Seconds after which a file that nobody has completed is removed: its process was killed."""
_FORMAT: Final = 1
"""Goes into the name of a series, and up when the files change."""
_NAME: Final = re.compile(r"([0-9a-f]{16}\.\d{4}-\d\d)\.([0-9a-f]{16})\.(?:([0-9a-f]{8})\.parquet|seen)", re.ASCII)
_PART: Final = re.compile(r"\.[0-9a-f]{16}\.part", re.ASCII)
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_OLD: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)  # so that a pipe does not wait for its other end
_ITSELF: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)

_LOG: Final = logging.getLogger(__name__)
_TOLD: Final[set[str]] = set()
"""Folders of which it was said that nothing is kept there."""


class Folder:
    """The folder of a database, for the months of one series with certain columns.

    It is used if it belongs to the database's owner or to this user, and if only those may write to it who may write to
    the database. Links are not followed. It is made when something is kept, with the database's permissions.
    """

    def __init__(self, place: CachePlace, columns: Iterable[str]) -> None:
        self._path = f"{place.database}.cache"
        self._place = place
        series = json.dumps([_FORMAT, *place.series, *columns]).encode()
        self._series = blake2b(series, digest_size=8).hexdigest()
        self._names: dict[str, list[str]] = {}
        self._mode, self._group = 0, -1
        self.usable = True
        """Whether something may be kept."""
        try:
            database = os.stat(place.database)
            self._mode, self._group = stat.S_IMODE(database.st_mode) & 0o666, database.st_gid
            self._look(database)
        except OSError as error:
            self.give_up(error)

    def _look(self, database: os.stat_result) -> None:
        """Find the files of the series, if the folder is there and may be trusted."""
        try:
            there = os.lstat(self._path)
            names = os.listdir(self._path) if stat.S_ISDIR(there.st_mode) else []
        except FileNotFoundError:
            return
        if not stat.S_ISDIR(there.st_mode):
            self.give_up("that is not a folder")
        elif there.st_uid not in (database.st_uid, _user()) or there.st_mode & ~self._mode & 0o022:
            self.give_up("others may write to the folder who may not write to the database")
        else:
            for name in names:
                if (known := _NAME.fullmatch(name)) and name.startswith(self._series):
                    self._names.setdefault(known[1], []).append(name)

    def give_up(self, why: object) -> None:
        """Keep nothing more, and say why, once."""
        self.usable = False
        if self._path not in _TOLD:
            _TOLD.add(self._path)
            _LOG.info("%s: no months are kept here for the next data frame: %s", self._path, why)

    def about(self, month: Month) -> dict[str, object]:
        """Return what a copy of a month says about itself."""
        exchange, symbol, timeframe = self._place.series
        return {
            "exchange": exchange,
            "symbol": symbol,
            "timeframe": timeframe,
            "month": f"{to_datetime(month.start):%Y-%m}",
            "revision": month.revision,
        }

    def copies(self, month: Month) -> list[tuple[str, int]]:
        """Return the names of files that should be copies of this month as it is now, and their sums."""
        found = [(name, _NAME.fullmatch(name)) for name in self._of(month)]
        return [(name, int(known[3], 16)) for name, known in found if known and known[3] and known[2] == _digits(month)]

    def seen(self, month: Month) -> bool:
        """Return whether the month was read before as it is now."""
        return f"{self._stem(month)}.{_digits(month)}.seen" in self._of(month)

    def was_other(self, month: Month) -> bool:
        """Return whether the month was read before and was another then."""
        return any(name.split(".")[2] != _digits(month) for name in self._of(month))

    def opened(self, name: str) -> tuple[IO[bytes], int] | None:
        """Return a file of the folder, open for reading and without a buffer, and its size; it counts as used now."""
        path = os.path.join(self._path, name)
        try:
            number = os.open(path, _OLD | _ITSELF)
        except OSError:
            return None
        status = os.fstat(number)
        if not stat.S_ISREG(status.st_mode):
            os.close(number)
            return None
        if abs(time.time() - status.st_mtime) > FRESH / 10:
            with suppress(OSError):
                os.utime(path)
        return os.fdopen(number, "rb", buffering=0), status.st_size

    def remove(self, name: str) -> None:
        """Remove a file."""
        for names in self._names.values():
            if name in names:
                names.remove(name)
        with suppress(OSError):
            os.unlink(os.path.join(self._path, name))

    def mark(self, month: Month) -> None:
        """Record that a month was read as it is now, in place of what is there about it."""
        if self.usable and not self.seen(month) and self._room(0):
            try:
                with self._new(f"{self._stem(month)}.{_digits(month)}.seen"):
                    pass
            except FileExistsError:
                pass
            except OSError as error:
                self.give_up(error)
                return
            self._replace(month, f"{self._stem(month)}.{_digits(month)}.seen")

    @contextmanager
    def unfinished(self) -> Iterator[tuple[IO[bytes], str]]:
        """Yield a new file, and its name; it is removed in the end, unless it was kept. Raises ``OSError``."""
        name = f".{secrets.token_hex(8)}.part"
        try:
            with self._new(name) as file:
                yield file, name
        finally:
            self.remove(name)

    def has_room(self) -> bool:
        """Return whether a file may be added; remove what was not used for longest, as far as needed."""
        return self.usable and self._room(1)

    def keep(self, unfinished: str, month: Month, total: int) -> None:
        """Let an unfinished file be the copy of a month, if there is room. Raises ``OSError``."""
        path, name = os.path.join(self._path, unfinished), f"{self._stem(month)}.{_digits(month)}.{total:08x}.parquet"
        if self._room(os.stat(path).st_size, unfinished):
            os.replace(path, os.path.join(self._path, name))
            self._replace(month, name)

    def _replace(self, month: Month, name: str) -> None:
        for other in list(self._of(month)):
            if other != name:
                self.remove(other)
        self._names[self._stem(month)] = [name]

    def _of(self, month: Month) -> list[str]:
        return self._names.get(self._stem(month), [])

    def _stem(self, month: Month) -> str:
        return f"{self._series}.{to_datetime(month.start):%Y-%m}"

    def _new(self, name: str) -> IO[bytes]:
        """Return a new file with the owner and the permissions of the database."""
        with suppress(FileExistsError):
            os.mkdir(self._path, 0o700)
            self._share(self._path, self._mode | (self._mode & 0o444) >> 2)
        path = os.path.join(self._path, name)
        file = os.fdopen(os.open(path, _NEW | _ITSELF, 0o600), "wb", buffering=0)
        try:
            self._share(path, self._mode)
        except OSError:  # it may be gone already
            file.close()
            raise
        return file

    def _share(self, path: str, mode: int) -> None:
        if os.lstat(path).st_gid != self._group:
            try:
                os.chown(path, -1, self._group, follow_symlinks=False)
            except OSError:
                mode &= ~stat.S_IRWXG  # it would be another group's
        os.chmod(path, mode)

    def _room(self, size: int, own: str = "") -> bool:
        """Return whether ``size`` more bytes may be kept, without the file ``own``; remove old files for them."""
        files, now = [], time.time()
        try:
            with os.scandir(self._path) as found:
                for entry in found:
                    if entry.name != own and (_NAME.fullmatch(entry.name) or _PART.fullmatch(entry.name)):
                        with suppress(FileNotFoundError):
                            status = entry.stat(follow_symlinks=False)
                            files.append((status.st_mtime, status.st_size, entry.name))
        except FileNotFoundError:
            return size <= self._place.size
        except OSError as error:
            self.give_up(error)
            return False
        files.sort(reverse=True)
        total = sum(each[1] for each in files)
        while files and _is_unfinished(files[-1], now):
            total -= self._drop(files)
        while files and (total + size > self._place.size or len(files) >= MOST_FILES):
            if 0 <= now - files[-1][0] < FRESH:
                return False
            total -= self._drop(files)
        return total + size <= self._place.size

    def _drop(self, files: list[tuple[float, int, str]]) -> int:
        """Remove the last of the files; return its size."""
        _, size, name = files.pop()
        self.remove(name)
        return size


def _user() -> int:
    """Return the number of this user, which is 0 where files have no owner (Windows)."""
    return os.geteuid() if hasattr(os, "geteuid") else 0


def _digits(month: Month) -> str:
    return f"{month.revision:016x}"


def _is_unfinished(file: tuple[float, int, str], now: float) -> bool:
    return _PART.fullmatch(file[2]) is not None and now - file[0] > _UNFINISHED
