"""One rate for all processes of a user on this machine: the limiter's log lies in a file, and no server is needed.

Each step of the limiter locks the file, reads the log, decides as :class:`SlidingWindowLimiter` does, writes it back
and unlocks: a tenth of a millisecond at most, never across an ``await``. So the rule that holds in one process holds
among all, and so do pauses, blocks and the room left to other clients. The system frees the lock of a process that
dies; the permits it had taken run out with the window. Waiting needs no messages: what others do moves a permit further
away, so that it is enough to look again when the next was due. (Only one who cancels brings one nearer; the others see
it a little later.)

Who waits writes down until when. Whoever already holds its part of the rate (permits ÷ processes that wait) gives way
for up to 20 ms before each permit beyond it, the less the longer ago it had its part. So of n waiting processes none
gets less than ⌊rate ÷ n⌋ permits a window (about one in n ÷ rate windows, where they are more than the permits), while
its loop is hardly ever 20 ms late; what one leaves the others use.
"""

from __future__ import annotations

import logging
import os
import stat
import struct
import time
import zlib
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from rxcandles.arguments import check_name, check_path
from rxcandles.errors import StoreError
from rxcandles.events import LeaseEvent, log_event
from rxcandles.limiter import SlidingWindowLimiter, _clock, _Permit
from rxcandles.ownfolder import own_folders

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["MachineLimiter"]

_log = logging.getLogger("rxcandles.lease")

_GIVES_WAY: Final = 0.02
"""Seconds that one who has had its part leaves to those who wait: more than a busy loop is late, little of a window."""
_STILL_THERE: Final = 0.1
"""Seconds after which one who waited and has not looked again at its time counts as gone."""
_AHEAD: Final = 1.0
"""Seconds that a file can be ahead of a loop's clock, which some loops read once a turn; more is another boot's."""
_LOCK_WAIT: Final = 0.25
"""Seconds to wait for the lock, thousands of times what it is held for: who holds it for longer is stopped."""
_LOCK_AGAIN: Final = 5.0
"""Seconds for which one who did not get it leaves the lock alone, since waiting for it stops its loop."""

_HEAD: Final = struct.Struct("<8sII")
"""What the file is, the checksum of all behind this, and how many permits it holds."""
_STATE: Final = struct.Struct("<ddQIIIddddd")
_MAGIC: Final = b"rxlease1"
_UNCHANGED: Final = _HEAD.size + 8
"""Where that begins which says something: behind the checksum and the time of writing."""
_SEATS: Final = 16
_SEAT_TABLE: Final = struct.Struct("<" + "Qd" * _SEATS)


class _State(NamedTuple):
    """What the processes share; times are seconds of the machine's monotonic clock."""

    written: float
    span: float
    """The longest window anybody has asked for: permits are kept for so long."""
    number: int
    streak: int
    ban_streak: int
    foreign: int
    foreign_until: float
    paused_until: float
    calm_at: float
    banned_until: float
    ban_forgotten_at: float


class MachineLimiter(SlidingWindowLimiter):
    """Gives at most ``rate`` permits in any ``window`` seconds to all processes of this user on this machine together.

    Those share that use the same ``key`` (letters, digits, ``.``, ``_``, ``-``) and the same ``folder``; by default
    ``rxcandles`` in a folder of the user's own (``XDG_RUNTIME_DIR``, else ``XDG_CACHE_HOME`` or ``~/.cache``), made
    with mode 0700. Each keeps to its own ``rate``, ``window`` and ``guard`` among the permits of all. Else it is as
    :class:`SlidingWindowLimiter`, first come, first served within a process; ``stats`` counts this process only, but
    shows everybody's pause and use of the window (it reads the file, a tenth of a millisecond). A file that is
    damaged, or from before the last boot, is begun anew. There is nothing to close. Needs a loop whose clock is
    ``time.monotonic``, as asyncio's and uvloop's are.

    Where there is no file locking (Windows) or no folder of the user's own (no home), and while the file can't be read,
    written or locked (a process that was stopped in the middle of a step holds it: a quarter of a second is waited,
    every five) later on, the limiter goes on for its process alone and logs a warning. Raises ``RequestError`` for a
    rate, window, guard or key that can't be meant, and ``StoreError`` where the ``folder`` given or the file in it
    can't be used, or another user could write there.
    """

    def __init__(
        self,
        rate: float | None,
        *,
        key: str = "upbit",
        folder: str | Path | None = None,
        window: float = 1.0,
        guard: float = 0.03,
    ) -> None:
        super().__init__(rate, window=window, guard=guard)
        check_name("key", key)
        if folder is not None:
            check_path("folder", folder)
        self._file: int | None = None
        self._mine: deque[float] = deque()
        self._gives_way_until: float | None = None
        self._older: list[float] = []
        self._longest = self._span
        self._seat = int.from_bytes(os.urandom(8), "little") or 1
        self._seats: dict[int, float] = {}
        self._lock_again = 0.0
        self._alone = fcntl is None
        self._path: Path | None = None
        if self._alone:
            event = LeaseEvent(event="lease", path=None, problem="no locking")
            message = "this system has no fcntl: the rate of %r is kept by each process for itself"
            log_event(_log, logging.WARNING, event, message, key)
        elif folder is not None:
            self._use(Path(folder, f"{key}.lease"))
        else:
            self._use_own(key)

    def _use(self, path: Path) -> None:
        self._path = path
        try:
            os.close(self._open(path))
        except OSError as error:
            raise StoreError(
                f"{path} can't be used to share a rate limit: {error}; mend that, or give another folder"
            ) from error

    def _use_own(self, key: str) -> None:
        """Use the first folder of the user's own that can be used, or none: that must not stop a collection."""
        problem = "no folder of your own was found; XDG_CACHE_HOME may name one"
        for folder in own_folders():
            try:
                return self._use(folder / f"{key}.lease")
            except StoreError as error:
                problem = str(error)
        self._path, self._alone = None, True
        event = LeaseEvent(event="lease", path=None, problem="unusable")
        message = "the rate of %r is kept by each process for itself: %s"
        log_event(_log, logging.WARNING, event, message, key, problem)

    @contextmanager
    def _step(self) -> Iterator[None]:
        if self._path is None or self._file is not None or time.monotonic() < self._lock_again:
            yield
            return
        self._older = []
        try:
            found = self._take_over(self._path)
            yield
            if found is not None:
                self._keep(found)
        finally:
            file, self._file = self._file, None
            if file is not None:
                os.close(file)  # which unlocks it

    def _take_over(self, path: Path) -> bytes | None:
        """Lock the file and take over what it holds; return that, or None where it can't be used."""
        try:
            self._file = self._lock(path)
            found = os.read(self._file, os.fstat(self._file).st_size)
        except (OSError, StoreError) as error:
            self._fault(error)
            return None
        if not found:
            return found
        read = _read(found)
        if read is None or read[0].written > _clock() + _AHEAD:
            event = LeaseEvent(event="lease", path=str(path), problem="damaged" if read is None else "old")
            log_event(_log, logging.INFO, event, "%s is %s; begun anew", path, event["problem"])
            return b""
        state, self._seats, permits = read
        if state.number < self._number:
            self._unanswered.clear()  # begun anew by another: the numbers no longer say who came after whom
        if self._alone:  # what was given while the file could not be used
            permits = list((Counter(permits) | Counter(self._given)).elements())
            paused, banned = max(self._paused_until, state.paused_until), max(self._banned_until, state.banned_until)
            state = state._replace(paused_until=paused, banned_until=banned)
        self._number, self._foreign, self._foreign_until = state.number, state.foreign, state.foreign_until
        self._streak, self._paused_until, self._calm_at = state.streak, state.paused_until, state.calm_at
        self._ban_streak, self._banned_until = state.ban_streak, state.banned_until
        self._ban_forgotten_at = state.ban_forgotten_at
        self._longest = state.span
        self._given = deque(sorted(permits))  # loops that read their clocks at other moments may have mixed them up
        return found

    def _keep(self, found: bytes) -> None:
        """Write what has changed."""
        file, now = self._file, _clock()
        if file is None:
            return
        until = min(self._seats.pop(self._seat, 0.0), now + _STILL_THERE)  # who got a permit will soon ask for another
        self._seats = {seat: until for seat, until in self._seats.items() if until > now}
        until = until if self._timer is None else self._looks_at + _STILL_THERE
        if until > now and len(self._seats) < _SEATS:
            self._seats[self._seat] = until
        new = self._bytes(now)
        try:
            if new[_UNCHANGED:] != found[_UNCHANGED:]:
                os.pwrite(file, new, 0)
        except OSError as error:
            self._fault(error)
        else:
            self._alone = False

    def _bytes(self, now: float) -> bytes:
        self._longest = max(self._longest, self._span)
        permits = [given for given in self._older if given + self._longest > now]
        permits += self._given
        state = _State(
            now, self._longest, self._number, self._streak, self._ban_streak, self._foreign, self._foreign_until,
            self._paused_until, self._calm_at, self._banned_until, self._ban_forgotten_at,
        )  # fmt: skip
        seats = [part for seat in self._seats.items() for part in seat]
        seats += [0, 0.0] * (_SEATS - len(self._seats))
        body = _STATE.pack(*state) + _SEAT_TABLE.pack(*seats) + struct.pack(f"<{len(permits)}d", *permits)
        return _HEAD.pack(_MAGIC, zlib.crc32(body), len(permits)) + body

    def _due(self, now: float) -> float:
        while self._file is not None and self._given and self._given[0] + self._span <= now:
            self._older.append(self._given.popleft())  # run out here, but not for a process with a longer window
        due = super()._due(now)
        if due > now:
            self._gives_way_until = None
            return due
        if self._gives_way_until is None:
            self._gives_way_until = now + self._courtesy(now)
        return self._gives_way_until

    def _courtesy(self, now: float) -> float:
        """Seconds to give way: none below this process's part, and the less the longer ago its part was had."""
        waiting = 1 + sum(until > now for seat, until in self._seats.items() if seat != self._seat)
        part = max(1, self._most // waiting)
        if self._rate is None or waiting == 1 or len(self._mine) < part:
            return 0.0
        turn = self._span * max(1.0, waiting / self._most)
        return _GIVES_WAY * max(0.0, 1.0 - (now - self._mine[-part]) / turn)

    def _give(self, now: float) -> _Permit | None:
        self._gives_way_until = None
        self._mine.append(now)
        while len(self._mine) > self._most:
            self._mine.popleft()
        return super()._give(now)

    def _lock(self, path: Path) -> int:
        """Open the file and lock it; again where it was deleted between the two."""
        until = time.monotonic() + _LOCK_WAIT
        while True:
            file = self._open(path)
            try:
                # Asked for again and again: a lock that is waited for would stop this loop for as long as it is held.
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(file).st_nlink:
                    return file
            except BlockingIOError:
                if time.monotonic() >= until:
                    os.close(file)
                    self._lock_again = time.monotonic() + _LOCK_AGAIN
                    raise StoreError(
                        f"it has been locked for {_LOCK_WAIT:g} s by a process that must be stopped"
                    ) from None
                time.sleep(0.0005)
            except BaseException:
                os.close(file)
                raise
            os.close(file)

    def _open(self, path: Path) -> int:
        # Opened anew in each step: a file held open would be shared with a forked child, and its lock with it.
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

    def _fault(self, error: Exception) -> None:
        if not self._alone:
            self._alone = True
            event = LeaseEvent(event="lease", path=str(self._path), problem="unusable")
            message = "%s can't be used: %s; keeping the rate for this process alone"
            log_event(_log, logging.WARNING, event, message, self._path, error)


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


def _read(found: bytes) -> tuple[_State, dict[int, float], list[float]] | None:
    """Return what a file holds, or None where it is damaged."""
    try:
        magic, checksum, count = _HEAD.unpack_from(found)
        stop = _HEAD.size + _STATE.size + _SEAT_TABLE.size + 8 * count
        if magic != _MAGIC or stop > len(found) or zlib.crc32(memoryview(found)[_HEAD.size : stop]) != checksum:
            return None
        state = _State(*_STATE.unpack_from(found, _HEAD.size))
        table = _SEAT_TABLE.unpack_from(found, _HEAD.size + _STATE.size)
        permits = struct.unpack_from(f"<{count}d", found, stop - 8 * count)
    except struct.error:
        return None
    seats = {seat: until for seat, until in zip(table[::2], table[1::2], strict=True) if seat}
    return state, seats, list(permits)
