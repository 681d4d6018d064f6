"""What is known of one market that is followed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from math import inf

import attrs

from rxcandles.live.frames import Frames
from rxcandles.model.density import Trend, is_unlikely
from rxcandles.model.rows import Row
from rxcandles.model.timeframe import Timeframe, time_text
from rxcandles.model.updates import FollowState

__all__ = ["Lost", "Market"]


@attrs.frozen
class Lost:
    """A span whose candles can't be had."""

    start: int
    stop: int
    reason: str


@attrs.define(eq=False)
class Market:
    """One market: how far it is known, how it goes, and when it is asked about next. Times are UTC seconds."""

    symbol: str
    timeframe: Timeframe
    frames: Frames
    """What its stream has shown beyond that."""
    start: int | None = None
    """Open time of the first candle to follow; None before that is known."""
    proven: int = 0
    """Every candle that opens in ``[start, proven)`` is stored, and nothing is doubtful there."""
    heard: int = 0
    """Until then the exchange has said nothing of another candle."""
    answered: int = 0
    """Pages have answered for everything before this time."""
    streamed_since: float = inf
    """Since when its connection has lived; infinite if it has none."""
    framed: int = -1
    """Open time of the newest candle that its stream has shown since it was subscribed to; -1 for none."""
    state: FollowState = "catching_up"
    reason: str = ""
    state_since: float = attrs.field(factory=time.monotonic)
    """Since when it goes so, by this machine's steady clock."""
    due: float = 0.0
    """When it is asked about next, by the server's clock."""
    not_before: float = 0.0
    """Until then it is not asked about, whatever the stream shows, so that all markets take their part of the rate."""
    audit_due: float = 0.0
    """When its latest page is read again."""
    day_due: float = 0.0
    """When its latest day is read again."""
    busy: bool = False
    """Whether a question is under way."""
    known: bool = False
    """Whether the exchange has ever answered about it."""
    failures: int = 0
    """Questions in a row that have failed."""
    tries: int = 0
    """Questions in a row that have brought less than they should."""
    doubts: dict[int, int] = attrs.field(factory=dict)
    """How often a doubtful gap was asked about again, by its start."""
    lost: list[Lost] = attrs.field(factory=list)
    """Spans that can't be had; the latest hundred."""
    lost_count: int = 0
    lost_logged: int = 0
    disputed: int = 0
    dispute_text: str = ""
    """What the stream has shown and pages lack; empty once another candle has been confirmed."""
    disputes: list[int] = attrs.field(factory=list)
    """Disputed candles that were not logged yet."""
    behind: int = 0
    """Pages that lacked what the stream had shown."""
    trend: Trend = attrs.field(factory=Trend)
    """How densely it trades."""
    usual: Trend = attrs.field(factory=Trend)
    """How densely it traded until its newest candle."""
    last_open: int = -1
    """Open time of the newest candle that is stored."""
    last_close: float | None = None
    """Its close."""
    forming: Row | None = None
    """The candle that is not closed yet, as it was shown last."""

    def begin(self, start: int) -> None:
        """Follow it from the candle that opens at ``start`` on."""
        self.start = self.proven = self.heard = self.answered = start
        self.frames.confirm(start)

    def see(self, rows: Sequence[Row]) -> None:
        """Note the newest of these closed candles, which is the last one."""
        if rows and rows[-1].open_time > self.last_open:
            self.last_open, self.last_close = rows[-1].open_time, rows[-1].close

    def set_state(self, state: FollowState, reason: str = "") -> bool:
        """Set how it goes; return whether that is news."""
        news = (state, reason) != (self.state, self.reason)
        if state != self.state:
            self.state_since = time.monotonic()
        self.state, self.reason = state, reason
        return news

    def lose(self, start: int, stop: int, reason: str) -> None:
        """Record that the candles of a span can't be had, and go on behind it."""
        self.lost.append(Lost(start, stop, reason))
        del self.lost[:-100]
        self.lost_count += 1
        self.proven = max(self.proven, stop)

    def unlogged(self) -> list[Lost]:
        """Return the lost spans that were not returned before."""
        new, self.lost_logged = self.lost_count - self.lost_logged, self.lost_count
        return self.lost[-new:] if new else []

    def dispute(self, opened: int, row: Row | None) -> None:
        """Believe pages, which lack a candle that the stream has shown, or have less of it."""
        self.frames.forget(opened)
        self.disputed += 1
        what = "lack" if row is None else "have less of"
        self.dispute_text = f"the stream has shown a candle at {time_text(opened)} that pages {what}"
        self.disputes.append(opened)

    def is_overdue(self, edge: int) -> bool:
        """Return whether silence up to ``edge`` is unlikely for a market that trades so often."""
        return bool(self.trend.rows) and is_unlikely(self.timeframe.slots(self.answered, edge), self.trend)

    def note(self, traded: int, start: int, stop: int) -> None:
        """Record how many slots of ``[start, stop)`` have traded."""
        if start < stop:
            self.trend = self.trend.add(traded, max(0, self.timeframe.slots(start, stop) - traded))
            self.usual = self.trend if traded else self.usual
