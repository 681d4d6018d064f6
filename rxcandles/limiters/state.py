"""Everything that a step of a limiter reads and changes, as one value that can be packed into a file.

Times are seconds of the loop's clock, which is the machine's monotonic clock if a file is shared.
"""

from __future__ import annotations

import math
import struct
import zlib
from bisect import bisect_right, insort
from typing import Final, NamedTuple

import attrs

__all__ = ["Blocks", "LimiterState", "Permit"]

_HEAD: Final = struct.Struct("<8sII")
"""The kind of file, the checksum of everything behind this, and the number of entries in the log."""
_MAGIC: Final = b"rxlease2"
_NUMBERS: Final = struct.Struct("<12d2I")
_SEATS: Final = 16
_SEAT_TABLE: Final = struct.Struct("<" + "Qd" * _SEATS)
_ENTRY: Final = struct.Struct("<dd")
_LONGEST_LOG: Final = 512
"""Entries of a log, approximately; of a larger limit, permits within a small part of the window are kept as one."""


class Permit(NamedTuple):
    """One permit: when it was given, how much was in use then, how much had been given in all, and its cost.

    Each of these numbers includes the permit itself.
    """

    given: float
    active: float
    spent: float
    cost: float


@attrs.define
class Blocks:
    """What is known of blocks of a whole address (418, 403); limiters of several groups may share it."""

    until: float = -math.inf
    forgotten_at: float = -math.inf
    streak: int = 0

    def take(self, other: Blocks) -> None:
        """Take over what another knows from later."""
        if (other.until, other.forgotten_at) > (self.until, self.forgotten_at):
            self.until, self.forgotten_at, self.streak = other.until, other.forgotten_at, other.streak


@attrs.define
class LimiterState:
    """How full the window is, what others use of it, pauses and blocks."""

    log: list[tuple[float, float]] = attrs.field(factory=list)
    """When how much was given, oldest first; empty for a bucket."""
    kept: float = 0.0
    """The longest window that any limiter uses: the log reaches back as far."""
    spent: float = 0.0
    """How much was given in all; only grows."""
    full_at: float = -math.inf
    """When the bucket will be full if nothing more is taken."""
    ahead_least: float = -math.inf
    """Least seconds that the server's clock (UTC) is ahead of the loop's."""
    ahead_most: float = math.inf
    """Most seconds that the server's clock (UTC) is ahead of the loop's."""
    others: float = 0.0
    """What is left to other clients of this address, until ``others_until``."""
    others_until: float = -math.inf
    paused_until: float = -math.inf
    calm_at: float = -math.inf
    """Until when a 429 follows on the one before; long past if a request was answered since."""
    streak: int = 0
    blocks: Blocks = attrs.field(factory=Blocks)
    written: float = 0.0
    seats: dict[int, float] = attrs.field(factory=dict)
    """Which processes wait, and until when they look again."""

    @property
    def stopped_until(self) -> float:
        """Until when no permit is given."""
        return max(self.paused_until, self.blocks.until)

    def add(self, given: float, cost: float, part: float) -> None:
        """Write a permit into the log; permits in the same ``part`` (seconds, 0.0 for none) are kept as one."""
        self.spent += cost
        last = self.log[-1] if self.log else None
        if part and last is not None and last[0] // part == given // part and last[0] <= given:
            self.log[-1] = (given, last[1] + cost)
        elif last is None or last[0] <= given:
            self.log.append((given, cost))
        else:  # loops read their clocks at different moments, so permits may arrive mixed up
            insort(self.log, (given, cost))

    def remove(self, given: float, cost: float, part: float) -> float:
        """Take a permit out of the log; return how much of it was still there."""
        at = bisect_right(self.log, (given, -math.inf))
        if at == len(self.log) or self.log[at][0] - given > part:
            return 0.0
        when, there = self.log[at]
        if there > cost:
            self.log[at] = (when, there - cost)
        else:
            del self.log[at]
        return min(cost, there)

    def move(self, given: float, cost: float, part: float, late: float) -> None:
        """Count a permit from ``late`` seconds after it was given."""
        insort(self.log, (given + late, self.remove(given, cost, part) or cost))

    def trim(self, now: float) -> None:
        """Remove what no limiter's window reaches back to."""
        gone = bisect_right(self.log, now, key=lambda entry: entry[0] + self.kept)
        if gone:
            del self.log[:gone]

    def left_to_others(self, now: float, span: float) -> float:
        """Return what is left to others: what was seen for a window, then a quarter (or one) less every window."""
        while self.others > 0 and self.others_until <= now:
            self.others = max(0.0, self.others - max(1, self.others // 4))
            self.others_until += span
        return self.others

    def leave(self, room: float, now: float, span: float, until: float) -> float:
        """Leave ``room`` to others, unless they have more; return how much of it is new."""
        held = self.left_to_others(now, span)
        if room < held:
            return 0.0
        self.others = room
        self.others_until = max(self.others_until, until)
        return room - held

    @staticmethod
    def part(capacity: float, window: float) -> float:
        """Return the seconds within which a log keeps permits as one."""
        return window / _LONGEST_LOG if capacity > _LONGEST_LOG else 0.0

    def pack(self) -> bytes:
        """Return this as the bytes of a file."""
        numbers = _NUMBERS.pack(
            self.written, self.kept, self.spent, self.full_at, self.ahead_least, self.ahead_most,
            self.others, self.others_until, self.paused_until, self.calm_at,
            self.blocks.until, self.blocks.forgotten_at, self.streak, self.blocks.streak,
        )  # fmt: skip
        seats = [part for seat in [*self.seats.items()][:_SEATS] for part in seat]
        seats += [0, 0.0] * (_SEATS - len(seats) // 2)
        entries = struct.pack(f"<{2 * len(self.log)}d", *(part for entry in self.log for part in entry))
        body = numbers + _SEAT_TABLE.pack(*seats) + entries
        return _HEAD.pack(_MAGIC, zlib.crc32(body), len(self.log)) + body

    @classmethod
    def unpack(cls, found: bytes) -> LimiterState | None:
        """Return the state in a file, or None if the file is damaged."""
        try:
            magic, checksum, count = _HEAD.unpack_from(found)
            seats_at = _HEAD.size + _NUMBERS.size
            log_at = seats_at + _SEAT_TABLE.size
            stop = log_at + _ENTRY.size * count
            if magic != _MAGIC or stop > len(found) or zlib.crc32(memoryview(found)[_HEAD.size : stop]) != checksum:
                return None
            numbers = _NUMBERS.unpack_from(found, _HEAD.size)
            table = _SEAT_TABLE.unpack_from(found, seats_at)
            log = list(_ENTRY.iter_unpack(memoryview(found)[log_at:stop]))
        except struct.error:
            return None
        written, kept, spent, full_at, least, most, others, others_until, paused, calm_at = numbers[:10]
        return cls(
            log=log, kept=kept, spent=spent, full_at=full_at, ahead_least=least, ahead_most=most,
            others=others, others_until=others_until, paused_until=paused, calm_at=calm_at, streak=numbers[12],
            blocks=Blocks(numbers[10], numbers[11], numbers[13]), written=written,
            seats={seat: until for seat, until in zip(table[::2], table[1::2], strict=True) if seat},
        )  # fmt: skip

    @staticmethod
    def differs(new: bytes, found: bytes) -> bool:
        """Return whether two files differ, apart from when they were written."""
        return new[_HEAD.size + 8 :] != found[_HEAD.size + 8 :]

    @staticmethod
    def seats_free(taken: int) -> bool:
        """Return whether the file has room for one more waiting process."""
        return taken < _SEATS
