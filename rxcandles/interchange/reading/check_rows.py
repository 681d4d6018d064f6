"""Check every row of a source: an impossible row stops the import, and no row is changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from rxcandles.errors import RequestError
from rxcandles.interchange.reading.find_columns import ColumnMap
from rxcandles.interchange.reading.open_times import OpenTimes
from rxcandles.interchange.reading.other_columns import OtherColumns
from rxcandles.interchange.reading.row_sources import Batch, Source
from rxcandles.interchange.reading.steps import Steps
from rxcandles.interchange.vocabulary.column_names import NEEDED
from rxcandles.interchange.vocabulary.market_names import frame_called, same_exchange, same_market
from rxcandles.interchange.vocabulary.numbers import absent, number
from rxcandles.interchange.vocabulary.times import unit_of
from rxcandles.model import SETTLE_SECONDS, Row
from rxcandles.model.rules import finite, possible, value_fault
from rxcandles.model.timeframe import END, Timeframe, time_text
from rxcandles.stores.sql.columns import COLUMNS
from rxcandles.stores.sql.staging import StagedRow
from rxcandles.util.arguments import shown

__all__ = ["RowChecker"]

_NOTHING: Final = (None,) * (len(COLUMNS) - len(NEEDED))
_SPARE: Final = 200_000
"""Rows that may repeat others, in addition to four for each slot."""
_MILLISECONDS: Final = 1000


class RowChecker:
    """Converts and checks the rows of a source, and counts those that it leaves out."""

    def __init__(
        self,
        where: str,
        source: Source,
        columns: ColumnMap,
        open_times: OpenTimes,
        symbol: str,
        timeframe: Timeframe,
        exchange: str | None,
        now: float,
        *,
        keep_empty: bool,
    ) -> None:
        self.empty = 0
        """Rows left out because nobody traded: no values at all, or volume 0 and all prices the same."""
        self.steps = Steps(timeframe)
        self._where = where
        self._word = source.word
        self._comma = source.comma
        self._blanks = source.blanks
        self._open_times = open_times
        self._columns = columns
        self._symbol = symbol
        self._frame = timeframe
        self._exchange = exchange
        self._now = now
        self._stop = timeframe.floor(max(now - SETTLE_SECONDS, 0))
        self._keep_empty = keep_empty
        self._oldest, self._newest, self._rows = END, 0, 0
        # Positions of a row's values, in the order of ``columns.names``.
        self._times = len(columns.times) + len(columns.zones)
        checks = [
            *[self._market_fault] * len(columns.markets),
            *[self._timeframe_fault] * len(columns.frames),
            *[self._exchange_fault] * len(columns.exchanges),
        ]
        self._named = [(at, check, set[str]()) for at, check in enumerate(checks, self._times)]
        others = self._times + len(checks)
        self._others_at = slice(others, others + len(columns.others))
        self._others = OtherColumns(columns.others, symbol, timeframe, exchange)
        self._closes_at = None if columns.close_time is None else self._others_at.stop
        self._first_value = self._others_at.stop + (columns.close_time is not None)
        self._past_volume = self._first_value + len(NEEDED) - 1
        self._fields = [field for field, _ in columns.values]
        places = {field: at for at, field in enumerate(self._fields, self._first_value)}
        self._optional = [places.get(name) for name in COLUMNS[len(NEEDED) :]]

    def rows(self, batch: Batch) -> Iterator[StagedRow]:
        """Yield the rows of a batch; raise :class:`RequestError` that names the first impossible one."""
        open_time, stop, on_grid = self._open_times, self._stop, self._frame.on_grid
        times, first_value, past_volume, comma = self._times, self._first_value, self._past_volume, self._comma
        states_more = bool(self._named or self._columns.others)
        has_more = any(at is not None for at in self._optional)
        opened_times: list[int] = []
        for place, values in batch:
            when = values[:times]
            try:
                opened = open_time(when)
            except RequestError:  # it is a ValueError too
                raise
            except (ValueError, OverflowError) as error:
                raise self._refusal(place, f"open_time is {open_time.shown(when)}: {error}") from error
            if not (0 <= opened < stop and opened == opened // 1 and on_grid(int(opened))):
                raise self._refusal(place, self._time_fault(open_time.shown(when), opened))
            opened = int(opened)
            opened_times.append(opened)
            if self._closes_at is not None:
                self._check_length(place, opened, values[self._closes_at])
                self._closes_at = None  # the first row decides for all
            if states_more:
                self._check_statements(place, values)
            try:
                first, high, low, last, volume = [number(value, comma) for value in values[first_value:past_volume]]
            except (ValueError, OverflowError):
                self._check_blank(place, values)
                self.empty += 1
                continue
            turnover, stamp, *change = self._optional_values(place, opened, values) if has_more else _NOTHING
            amount = 0.0 if turnover is None else turnover
            milliseconds = opened * _MILLISECONDS if stamp is None else stamp
            if not (
                possible(opened, first, high, low, last, volume, amount, milliseconds)
                and type(milliseconds) is int
                and all(each is None or finite(each) for each in change)
            ):
                if self._is_blank(values):
                    self.empty += 1
                    continue
                row = Row(opened, first, high, low, last, volume, amount, milliseconds, *change)
                raise self._refusal(place, f"the candle of {time_text(opened)}: {value_fault(row)}")
            if volume == 0 and low == high and not self._keep_empty:
                self.empty += 1
                continue
            yield (opened, first, high, low, last, volume, turnover, stamp, *change, place)
        self._count(opened_times)

    def finish(self) -> list[str]:
        """Raise if the times are those of a longer timeframe; return notes on what was read."""
        notes = self._others.notes()
        longer = self.steps.longer()
        if longer is None:
            return notes
        frame, certain = longer
        most = (
            f"all but {off:,} of" if (off := self.steps.off(frame)) else "each of"
        ) + f" its {self.steps.rows:,} times is one at which a candle of {frame} opens"
        if certain:
            raise RequestError(
                f"{self._where}: {most}, so they are hardly {self._frame} candles; import it as {frame}, or as what"
                " it is. Nothing was imported"
            )
        return [*notes, f"{most}; are they of {self._frame}?"]

    def _count(self, times: Sequence[int]) -> None:
        """Refuse a source that repeats itself without end."""
        self.steps.add(times)
        if times:
            self._rows += len(times)
            self._oldest, self._newest = min(self._oldest, min(times)), max(self._newest, max(times))
            if self._rows > _SPARE + 4 * self._frame.slots(self._oldest, self._newest + 1):
                raise RequestError(
                    f"{self._where} has {self._rows:,} rows for {self._frame.slots(self._oldest, self._newest + 1):,}"
                    " candles at most: it repeats itself. Nothing was imported"
                )

    def _number(self, place: int, at: int, value: Any) -> float:
        try:
            return number(value, self._comma)
        except (ValueError, OverflowError) as error:
            field = self._fields[at - self._first_value]
            raise self._refusal(place, f"{field} is {shown(value)}; {error}") from None

    def _optional_values(self, place: int, opened: int, values: Sequence[Any]) -> list[Any]:
        """Return the turnover, the time of the last trade and the values of day candles; None for each missing one."""
        more: list[Any] = []
        for name, at in zip(COLUMNS[len(NEEDED) :], self._optional, strict=True):
            if at is None or absent(values[at]):
                more.append(None)
            elif name == "timestamp":
                more.append(self._stamp(place, at, values[at], opened))
            else:
                more.append(self._number(place, at, values[at]))
        return more

    def _stamp(self, place: int, at: int, value: Any, opened: int) -> Any:
        """Return the milliseconds of the last trade; None for a time that only repeats the open time."""
        ticks = unit_of(value)
        if ticks is None and not isinstance(value, int | float) and not _digits(value):
            return None  # a time as text, which was read as the open time
        read = self._number(place, at, value)
        if ticks is None or ticks == _MILLISECONDS:
            stamp: Any = int(read) if read == read // 1 else read
            seconds = read / _MILLISECONDS
        else:
            stamp, seconds = None, read / ticks
        length = self._frame.seconds
        if ticks is not None and 0 < length < 86_400 and not -3600 <= seconds - opened < length + 3600:
            raise self._refusal(
                place,
                f"timestamp is {shown(value)} ({time_text(seconds)}), far from the candle of {time_text(opened)}; say"
                " the zone of its times with tz (--tz), or leave that column out",
            )
        return stamp

    def _check_blank(self, place: int, values: Sequence[Any]) -> None:
        """Raise for the first value of a row that is not a number, unless the row has none at all."""
        if not self._is_blank(values):
            for at in range(self._first_value, self._past_volume):
                self._number(place, at, values[at])

    def _is_blank(self, values: Sequence[Any]) -> bool:
        """Return whether a row has only a time, in a source where such rows are slots without a trade."""
        *prices, volume = values[self._first_value : self._past_volume]
        return self._blanks and all(map(absent, prices)) and (absent(volume) or _is_zero(volume))

    def _check_statements(self, place: int, values: Sequence[Any]) -> None:
        """Check what a row states about its series; a value that was found right is not checked again."""
        if self._columns.others:
            fault = self._others(values[self._others_at], guessed=self._open_times.guessed)
            if fault:
                raise self._refusal(place, fault)
        for at, check, known in self._named:
            text = str(values[at])
            if text not in known:
                if not absent(values[at]) and (fault := check(text, values[at])):
                    raise self._refusal(place, fault)
                known.add(text)

    def _market_fault(self, text: str, value: Any) -> str | None:
        return None if same_market(text, self._symbol) else f"it is of {shown(value)}, not of {self._symbol!r}"

    def _timeframe_fault(self, text: str, value: Any) -> str | None:
        frame = frame_called(text)
        if frame is self._frame:
            return None
        return f"it is of {shown(value)}{f' ({frame})' if frame else ''}, not of {self._frame}"

    def _exchange_fault(self, text: str, value: Any) -> str | None:
        if not self._exchange or same_exchange(text, self._exchange):
            return None
        return f"it is of the exchange {shown(value)}, not of {self._exchange!r}"

    def _check_length(self, place: int, opened: int, closes: Any) -> None:
        """Check the end of each candle, if the source has it: where the next begins, or a tick or a second before."""
        column = self._columns.close_time or ""
        end = self._open_times.end(column, closes, opened)
        if end is None:
            return
        length, whole = end - opened, self._frame.shift(opened, 1) - opened
        if length == 0:
            raise self._refusal(
                place,
                f"{self._open_times.name!r} and {column!r} say the same time, so it may be the end of the candle, not"
                f" its start; shift such times by a candle, and leave {column!r} out",
            )
        if not whole - 1 <= length <= whole:
            length = -(-length // 1)
            raise self._refusal(place, f"its candle is {length:,.0f} seconds long, and {self._frame} has {whole:,}")

    def _time_fault(self, text: str, opened: float) -> str:
        frame = self._frame
        fault = f"open_time is {text}"
        if not 0 <= opened < END:
            return f"{fault}; take times from 1970 on"
        if opened >= self._stop:
            return (
                f"{fault}: this {frame} candle is not over at {time_text(self._now)}, or its last trades not in yet;"
                " leave it out"
            )
        at = frame.floor(opened)
        return (
            f"{fault} ({time_text(opened)}), where no {frame} candle opens; the nearest open at {time_text(at)}"
            f" and {time_text(frame.shift(at, 1))}; they may be of another timeframe or zone"
        )

    def _refusal(self, place: int, what: str) -> RequestError:
        return RequestError(f"{self._where}, {self._word} {place}: {what}. Nothing was imported")


def _digits(value: Any) -> bool:
    return isinstance(value, str) and not any(mark in value.strip() for mark in "-: /")


def _is_zero(value: Any) -> bool:
    try:
        return number(value) == 0
    except ValueError:
        return False
