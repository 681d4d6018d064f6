"""Read the open time of each row: the first row decides which columns have it, and in which zone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from datetime import time as daytime
from typing import Any, Final

from rxcandles.errors import RequestError
from rxcandles.interchange.reading.find_columns import ColumnMap, TimeColumn
from rxcandles.interchange.vocabulary.numbers import absent
from rxcandles.interchange.vocabulary.statements import Statement
from rxcandles.interchange.vocabulary.times import Moment, clock_of, digits_of, in_zone, moment_of, unit_of
from rxcandles.interchange.vocabulary.zones import zone_called, zone_named
from rxcandles.model.moments import KST
from rxcandles.model.timeframe import Timeframe
from rxcandles.util.arguments import shown

__all__ = ["OpenTimes"]

_DAY: Final = 86_400
_MIDNIGHT: Final = daytime()


class OpenTimes:
    """Reads the open time of rows, given the values of its time columns.

    A time without a zone is in the zone that was asked for; or else the one that the column's name or the tool states;
    or else the only one that fits; or else the store's, ``home``, if that fits. If none of these is known and Korean
    time is likely, an error asks for the zone; otherwise it is UTC.
    """

    def __init__(
        self,
        where: str,
        columns: ColumnMap,
        frame: Timeframe,
        tz: tzinfo | None,
        statement: Statement | None,
        home: tzinfo | None = None,
    ) -> None:
        self.zone: tzinfo | None = None
        """The zone in which times without one were read; None if all have their own."""
        self.why = ""
        """How the zone is known."""
        self._where = where
        self._map = columns
        self._columns = columns.times
        self._frame = frame
        self._tz = tz
        self._statement = statement
        self._home = home
        self._main = -1
        self._beside: int | None = None
        self._digits: int | None = None
        self._unit: int | None = None
        self._zoneless = False
        self._rows: dict[str, tzinfo] = {}
        self.guessed = False
        """Whether they are read as UTC only because nothing states another zone."""
        self._named = False
        """Whether the name of the column states the zone, so that no other column counts."""

    def __call__(self, values: Sequence[Any]) -> float:
        """Return the UTC seconds of a row; raise ``ValueError`` that says why it can't."""
        if self._main < 0:
            self._decide(values)
        value = values[self._main]
        moment = moment_of(value)
        if not isinstance(moment, date):
            if self._unit is not None and unit_of(value) not in (self._unit, None):
                raise ValueError("the rows before have another unit of time; write all of them alike")
            if self._zoneless:
                raise ValueError("it has a zone, and the first row's has none; write all of them alike")
            return moment
        if self._beside is not None:
            moment = _joined(moment, values[self._beside], self._digits)
        return self._instant(moment, values)

    def shown(self, values: Sequence[Any]) -> str:
        """Return the time of a row as text, for errors."""
        if self._beside is None:
            return shown(values[max(self._main, 0)])
        return f"{shown(values[self._main])} and {shown(values[self._beside])}"

    @property
    def name(self) -> str:
        """The column, for errors."""
        return self._columns[max(self._main, 0)].name

    def end(self, column: str, value: Any, opened: float) -> float | None:
        """Return the UTC seconds in a column with the end of each candle, or None if it can't be read."""
        try:
            moment = moment_of(value)
            if not isinstance(moment, date):
                return moment
            if not isinstance(moment, datetime):
                return None
            zone = zone_named(column).zone or self.zone
            return None if zone is None else in_zone(moment, zone)
        except (ValueError, OverflowError):
            return None

    def _instant(self, moment: date, values: Sequence[Any]) -> float:
        if not isinstance(moment, datetime):
            moment = datetime.combine(moment, _MIDNIGHT)
            if self._by_days:
                return moment.replace(tzinfo=UTC).timestamp()
        zone = self._zone_beside(values) if self._map.zones else self.zone
        if zone is None:
            raise ValueError("it has no zone, and the first row's has one; write all of them alike")
        return in_zone(moment, zone)

    def _zone_beside(self, values: Sequence[Any]) -> tzinfo | None:
        """Return the zone of a row, from its own column if there is one, otherwise that of all rows."""
        for name, value in zip(self._map.zones, values[len(self._columns) :], strict=True):
            text = str(value)
            if self._named or absent(value):
                continue
            if text not in self._rows:
                zone = zone_called(value)
                if zone is None:
                    raise ValueError(
                        f"its zone, in column {name!r}, is {shown(value)}, which can't be told for sure; leave that"
                        " column out and say the zone with tz (--tz)"
                    )
                self._rows[text] = zone
            return self._rows[text]
        return self.zone

    @property
    def _by_days(self) -> bool:
        """Whether a date without a time of day names the slot, whatever the zone."""
        return self._frame.seconds == 0 or self._frame.seconds >= _DAY

    def _decide(self, values: Sequence[Any]) -> None:
        moments: dict[int, Moment] = {}
        clocks: list[int] = []
        unread: list[int] = []
        fault: ValueError | None = None
        for at, column in enumerate(self._columns):
            value = values[at]
            if absent(value) and len(self._columns) > 1:
                continue
            if column.clock and clock_of(value) is not None:
                clocks.append(at)
                continue
            try:
                moments[at] = moment_of(value)
            except (ValueError, OverflowError) as error:
                fault = fault or ValueError(str(error))
                if column.clock:
                    unread.append(at)
                if at == 0:
                    break
        if not moments:
            raise fault or ValueError("write ISO 8601, or seconds or milliseconds since 1970")
        main = min(moments, key=lambda at: (self._rank(self._columns[at], moments[at], bool(clocks)), at))
        column, moment = self._columns[main], moments[main]
        if column.stamp and self._map.stamp_is_trade:
            raise ValueError(
                f"{column.name!r} is the time of the last trade in what Upbit sends, not the open time; bring"
                " candle_date_time_utc or candle_date_time_kst as well, or say which column it is with columns"
                " (--columns)"
            )
        self._zoneless = isinstance(moment, date)
        if isinstance(moment, date):
            if clocks:
                self._beside = clocks[0]
                self._digits = digits_of(values[clocks[0]])
                moment = _joined(moment, values[clocks[0]], self._digits)
            elif unread and not isinstance(moment, datetime) and not self._by_days:
                _joined(moment, values[unread[0]], None)
            if isinstance(moment, datetime) or not self._by_days:
                self._find_zone(column, moment, moments, values)
        else:
            self._unit = unit_of(values[main])
        self._main = main

    def _rank(self, column: TimeColumn, moment: Moment, joined: bool) -> int:
        if column.stamp:
            return 9
        if not isinstance(moment, date):
            return 0
        if isinstance(moment, datetime) or joined:
            return 1 if column.zone is UTC else 2 if column.zone is not None else 3
        return 5 if self._by_days else 10

    def _find_zone(self, column: TimeColumn, moment: Moment, moments: dict[int, Moment], values: Sequence[Any]) -> None:
        if not isinstance(moment, datetime):
            assert isinstance(moment, date)
            moment = datetime.combine(moment, _MIDNIGHT)
        if self._beside is not None and column.zone is None and column.unclear is None:
            column = self._columns[self._beside]  # a time of day shows it as well as its date
        if column.zone is not None:
            if self._tz is not None and self._tz.utcoffset(moment) != column.zone.utcoffset(moment):
                raise RequestError(
                    f"{self._where}: column {column.name!r} is in {column.zone} by its name, and tz says {self._tz};"
                    " leave tz (--tz) out, or rename the column"
                )
            self._take(column.zone, f"as the column's name {column.name!r} says")
            self._named = True
        elif (zone := self._zone_beside(values)) is not None:
            if self._tz is not None and self._tz.utcoffset(moment) != zone.utcoffset(moment):
                raise RequestError(
                    f"{self._where}: its times are in {zone} by column {self._map.zones[0]!r}, and tz says"
                    f" {self._tz}; leave tz (--tz) out, or that column"
                )
            self._take(zone, f"as column {self._map.zones[0]!r} says")
        elif self._tz is not None:
            self._take(self._tz, "as tz says")
        elif column.unclear is not None:
            raise self._zone_question(moment, f"column {column.name!r} says {column.unclear!r}")
        elif self._statement is not None and self._statement.zone is not None:
            self._take(self._statement.zone, f"{self._statement.by}")
        elif (stamp := self._stamp(moments)) is not None:
            self._by_stamp(column, moment, stamp)
        elif not self._fits(moment, UTC) and self._fits(moment, KST):
            self._take(KST, f"since {self._frame} candles open at such times there, and not in UTC")
        elif self._home is not None and self._fits(moment, self._home):
            self._take(self._home, "as the store's tz, or RXCANDLES_TZ, says; tz (--tz) says another")
        elif hints := self._map.hints:
            raise RequestError(
                f"{self._where}: its times, such as {moment:%Y-%m-%d %H:%M}, have no zone, and may be Korean:"
                f" {' and '.join(hints)}; say which with tz (--tz): KST, or UTC. Nothing was imported"
            )
        elif self._statement is not None and self._statement.unclear is not None:
            raise self._zone_question(moment, f"{self._statement.by}, {self._statement.unclear!r} is said")
        else:
            self._take(UTC, "as nothing says another; tz (--tz) does")
            self.guessed = True

    def _zone_question(self, moment: datetime, why: str) -> RequestError:
        return RequestError(
            f"{self._where}: its times, such as {moment:%Y-%m-%d %H:%M}, have no zone, and {why}, which may mean more"
            " than one; say which with tz (--tz), such as KST, UTC or America/New_York. Nothing was imported"
        )

    def _stamp(self, moments: dict[int, Moment]) -> float | None:
        """Return the UTC seconds of a column ``timestamp`` beside the open time, if there is one."""
        for at, moment in moments.items():
            column = self._columns[at]
            if column.stamp and not isinstance(moment, date):
                return moment
            if column.stamp and column.zone is not None and isinstance(moment, datetime):
                return in_zone(moment, column.zone)
        return None

    def _by_stamp(self, column: TimeColumn, moment: datetime, stamp: float) -> None:
        """Find the zone of the open time with the time of the last trade, which is absolute."""
        length = self._frame.seconds or 366 * _DAY
        for zone in (UTC, KST):
            opened = in_zone(moment, zone)
            if opened - 60 <= stamp < opened + length + max(60, min(length, 3600)):
                return self._take(zone, "as its timestamps say")
        raise RequestError(
            f"{self._where}: column {column.name!r} says {moment:%Y-%m-%d %H:%M} and 'timestamp' another time; say the"
            " zone with tz (--tz), or leave one of them out. Nothing was imported"
        )

    def _fits(self, moment: datetime, zone: tzinfo) -> bool:
        seconds = in_zone(moment, zone)
        return seconds >= 0 and bool(self._frame.on_grid(int(seconds)))

    def _take(self, zone: tzinfo, why: str) -> None:
        self.zone, self.why = zone, why


def _joined(moment: Moment, beside: Any, digits: int | None) -> datetime:
    """Return a date and a time of day as one; if the date has a time of day, too, both must agree."""
    if not isinstance(moment, date):
        raise ValueError("its date is an instant, and the rows before have date and time in two columns")
    clock = clock_of(beside, digits)
    if clock is None:
        raise ValueError(f"the time of day beside it is {shown(beside)}; write it as 13:00 or 130000")
    day = datetime.combine(moment, _MIDNIGHT)
    whole = day + timedelta(seconds=clock)
    if isinstance(moment, datetime) and moment not in (day, whole):
        raise ValueError(f"it has another time of day than {shown(beside)} beside it")
    return whole
