"""Keep the state of a limiter in a file, for all processes of a user on this machine.

Each step of the limiter locks the file, reads the state, decides, writes the state back and unlocks. A step takes a
tenth of a millisecond at most, and never spans an ``await``. So the rule that holds in one process holds for all, and
so do pauses, blocks and the room left to other clients. The system releases the lock of a process that dies, and the
permits that it had taken expire with the window. Waiting needs no messages: other processes only move a permit further
away, so a caller looks again when the next permit was due. (A cancelled caller brings one nearer; the others see that a
little later.)

A waiting process writes down until when it waits. A process that already has its part of the rate (permits ÷ waiting
processes) gives way for up to 20 ms before each further permit, and for less if it had its part longer ago. So none of
n waiting processes gets less than ⌊rate ÷ n⌋ permits a window (about one in n ÷ rate windows, if there are more
processes than permits), as long as its loop is hardly ever 20 ms late. The others use what one leaves.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import attrs

from rxcandles.errors import StoreError
from rxcandles.events import LeaseEvent, log_event
from rxcandles.limiters import sharedfile
from rxcandles.limiters.sharedfile import LockedError, SharedFile
from rxcandles.limiters.sliding import clock
from rxcandles.limiters.state import Blocks, LimiterState
from rxcandles.util.arguments import check_path
from rxcandles.util.ownfolder import own_folders

__all__ = ["LeaseFile"]

_log = logging.getLogger("rxcandles.limiters")

_GIVES_WAY: Final = 0.02
"""How long a process that has used its part yields to the others: longer than loop jitter, short against a window."""
_STILL_THERE: Final = 0.1
"""Seconds after which a waiting process that has not looked again at its time counts as gone."""
_AHEAD: Final = 1.0
"""Seconds that a file may be ahead of a loop's clock, which some loops read once a turn; more is from another boot."""
LOCK_AGAIN: Final = 5.0
"""Seconds for which a process that did not get the lock does not try again, since waiting for it stops its loop."""


class LeaseFile:
    """Keeps a state in the file ``key``.lease, in ``folder`` or in a folder of the user's own.

    Blocks are also kept in the file of ``family``, if that is another one: other groups at the same exchange read it.
    """

    def __init__(self, key: str, folder: str | Path | None, family: str) -> None:
        if folder is not None:
            check_path("folder", folder)
        self.state = LimiterState()
        self.begun_anew = False
        self.looks_at: float | None = None
        self._locked_at = -math.inf
        """When this has failed to get the lock."""
        self._file: int | None = None
        self._shared: SharedFile | None = None
        self._family: SharedFile | None = None
        self._mine: deque[float] = deque()
        self._seat = int.from_bytes(os.urandom(8), "little") or 1
        self._alone = not sharedfile.CAN_LOCK
        if self._alone:
            event = LeaseEvent(event="lease", path=None, problem="no locking")
            message = "this system has no fcntl: the rate of %r is kept by each process for itself"
            log_event(_log, logging.WARNING, event, message, key)
        elif folder is not None:
            self._use(Path(folder), key, family)
        else:
            self._use_own(key, family)

    def _use(self, folder: Path, key: str, family: str) -> None:
        shared = SharedFile(folder / f"{key}.lease")
        try:
            os.close(shared.open())
        except OSError as error:
            raise StoreError(
                f"{shared.path} can't be used to share a rate limit: {error}; mend that, or give another folder"
            ) from error
        self._shared = shared
        self._family = None if family == key else SharedFile(folder / f"{family}.lease")

    def _use_own(self, key: str, family: str) -> None:
        """Use the first usable folder of the user's own, or none: that must not stop a collection."""
        problem = "no folder of your own was found; XDG_CACHE_HOME may name one"
        for folder in own_folders():
            try:
                return self._use(folder, key, family)
            except StoreError as error:
                problem = str(error)
        self._alone = True
        event = LeaseEvent(event="lease", path=None, problem="unusable")
        message = "the rate of %r is kept by each process for itself: %s"
        log_event(_log, logging.WARNING, event, message, key, problem)

    @contextmanager
    def step(self) -> Iterator[None]:
        """Lock the file and take its state over; at the end store what has changed, and unlock."""
        if self._shared is None or self._file is not None or time.monotonic() < self._locked_at + LOCK_AGAIN:
            yield
            return
        try:
            found = self._take_over(self._shared)
            blocks = self._take_blocks()
            yield
            if found is not None:
                self._keep(found)
            if self._family is not None and self.state.blocks != blocks:
                self._tell_blocks(self._family)
        finally:
            file, self._file = self._file, None
            if file is not None:
                os.close(file)  # this unlocks it

    def _take_over(self, shared: SharedFile) -> bytes | None:
        """Lock the file and take over its content; return the content, or None if it can't be used."""
        try:
            self._file = shared.lock()
            found = os.read(self._file, os.fstat(self._file).st_size)
        except (OSError, StoreError) as error:
            if isinstance(error, LockedError):
                self._locked_at = time.monotonic()
            self._fault(error)
            return None
        if not found:
            return found
        state = LimiterState.unpack(found)
        if state is None or state.written > clock() + _AHEAD:
            event = LeaseEvent(event="lease", path=str(shared.path), problem="damaged" if state is None else "old")
            log_event(_log, logging.INFO, event, "%s is %s; begun anew", shared.path, event["problem"])
            return b""
        if state.spent < self.state.spent:
            self.begun_anew = True  # by another process: `spent` no longer shows who came after whom
        if self._alone:  # permits that were given while the file was unusable
            state.log = sorted((Counter(state.log) | Counter(self.state.log)).elements())
            state.full_at = max(state.full_at, self.state.full_at)
            state.paused_until = max(state.paused_until, self.state.paused_until)
            state.blocks.take(self.state.blocks)
        self.state = state
        return found

    def _take_blocks(self) -> Blocks:
        """Take over the blocks that other groups at this exchange know of; return a copy of what is known then."""
        if self._family is not None:
            try:
                told = LimiterState.unpack(self._family.read())
            except (OSError, StoreError) as error:
                self._fault(error)
            else:
                if told is not None and told.written <= clock() + _AHEAD:
                    self.state.blocks.take(told.blocks)
        return attrs.evolve(self.state.blocks)

    def _tell_blocks(self, family: SharedFile) -> None:
        try:
            file = family.lock()
            try:
                told = LimiterState.unpack(os.read(file, os.fstat(file).st_size)) or LimiterState()
                told.blocks.take(self.state.blocks)
                told.written = clock()
                os.pwrite(file, told.pack(), 0)
            finally:
                os.close(file)
        except (OSError, StoreError) as error:
            self._fault(error)

    def _keep(self, found: bytes) -> None:
        """Write what has changed."""
        file, now, state = self._file, clock(), self.state
        if file is None:
            return
        until = min(state.seats.pop(self._seat, 0.0), now + _STILL_THERE)  # one permit given, the next is soon needed
        state.seats = {seat: until for seat, until in state.seats.items() if until > now}
        until = until if self.looks_at is None else self.looks_at + _STILL_THERE
        if until > now and LimiterState.seats_free(len(state.seats)):
            state.seats[self._seat] = until
        state.trim(now)
        state.written = now
        new = state.pack()
        try:
            if LimiterState.differs(new, found):
                os.pwrite(file, new, 0)
        except OSError as error:
            self._fault(error)
        else:
            self._alone = False

    def courtesy(self, now: float, span: float, most: int) -> float:
        """Return for how long to give way: never below this process's part, and less if it had its part longer ago."""
        waiting = 1 + sum(until > now for seat, until in self.state.seats.items() if seat != self._seat)
        part = max(1, most // waiting)
        if waiting == 1 or len(self._mine) < part:
            return 0.0
        turn = span * max(1.0, waiting / most)
        return _GIVES_WAY * max(0.0, 1.0 - (now - self._mine[-part]) / turn)

    def gave(self, now: float, most: int) -> None:
        """Remember when this process had its part."""
        self._mine.append(now)
        while len(self._mine) > most:
            self._mine.popleft()

    def _fault(self, error: Exception) -> None:
        if not self._alone:
            self._alone = True
            path = None if self._shared is None else self._shared.path
            event = LeaseEvent(event="lease", path=str(path), problem="unusable")
            message = "%s can't be used: %s; keeping the rate for this process alone"
            log_event(_log, logging.WARNING, event, message, path, error)
