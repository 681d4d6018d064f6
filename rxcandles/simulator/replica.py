"""The candles that a replica of the exchange has while it is ill, one by one."""

from __future__ import annotations

from bisect import bisect_right
from math import inf
from typing import TYPE_CHECKING, Protocol

from rxcandles.model.timeframe import Timeframe
from rxcandles.simulator.forms import Form
from rxcandles.simulator.market import Served, Source

if TYPE_CHECKING:
    from rxcandles.simulator.illness import Illness

__all__ = ["Replica", "UpwardSource"]


class UpwardSource(Source, Protocol):
    """A source that can also be read from its oldest candles on."""

    def oldest(self, timeframe: Timeframe, since: float, to: float, count: int, now: float) -> Served:
        """Return the oldest ``count`` candles that open in ``[since, to)`` and exist at ``now``."""
        ...


class Replica:
    """What a replica with ``illness`` has of a timeframe of ``source`` where its own clock says ``now``."""

    def __init__(self, illness: Illness, source: Source, timeframe: Timeframe, now: float, form: Form) -> None:
        self._ill = illness
        self._source = source
        self._timeframe = timeframe
        self._now = now
        self._form = form
        self._oldest = -inf if illness.keeps is None else now - illness.keeps

    def newest(self, to: float, count: int) -> list[str]:
        """Return the newest ``count`` candles before ``to`` that it has, newest first."""
        rows: list[str] = []
        while len(rows) < count:
            wanted = count - len(rows)
            found = self._form.rows(self._source.newest(self._timeframe, to, wanted, self._now).text)
            lost = None
            for row in found:
                to = time = self._form.opened(row)
                if time < self._oldest:
                    return rows
                lost = self._lost(time)
                if lost is None and (stood := self._stood(time, row)):
                    rows.append(stood)
            if len(found) < wanted:
                return rows
            # A lost span may hold thousands of slots, of which no page has to be asked for.
            to = to if lost is None else lost[0]
        return rows

    def oldest(self, source: UpwardSource, since: float, to: float, count: int) -> list[str]:
        """Return the oldest ``count`` candles of ``[since, to)`` that it has, oldest first."""
        rows: list[str] = []
        since = max(since, self._oldest)
        while len(rows) < count:
            wanted = count - len(rows)
            found = self._form.rows(source.oldest(self._timeframe, since, to, wanted, self._now).text)
            lost = None
            for row in reversed(found):
                time = self._form.opened(row)
                since, lost = time + 0.001, self._lost(time)
                if lost is None and (stood := self._stood(time, row)):
                    rows.append(stood)
            if len(found) < wanted:
                return rows
            since = since if lost is None else max(since, self._timeframe.floor(lost[1] - 1))
        return rows

    def _lost(self, time: float) -> tuple[int, int] | None:
        """The lost span that hides the slot at ``time``; None where none does."""
        lost = self._ill.lost
        index = bisect_right(lost, time, key=lambda span: span[0])
        slot = self._timeframe.floor(time)
        if index == 0 or lost[index - 1][0] > slot or self._timeframe.shift(slot, 1) > lost[index - 1][1]:
            return None
        return lost[index - 1]

    def _stood(self, time: float, row: str) -> str | None:
        """The candle ``row`` of the slot at ``time`` as it stands here; None where it had no trade yet."""
        late = self._ill.late
        end = self._timeframe.shift(self._timeframe.floor(time), 1) if late else -inf
        then = max(time, end - late)
        by = late if self._ill.late_by is None else self._ill.late_by
        if not then < self._now < end + by:
            return row
        before = self._form.rows(self._source.newest(self._timeframe, int(time) + 1, 1, then).text)
        return before[0] if before and self._form.opened(before[0]) == time else None
