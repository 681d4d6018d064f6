"""The grid against a slow obvious model: the calendar itself, read slot by slot."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxcandles.errors import RequestError
from rxcandles.model.timeframe import TIMEFRAMES, Timeframe, from_datetime, to_datetime

frames = st.sampled_from(TIMEFRAMES)
times = st.integers(0, 7_258_118_400)  # 1970 to 2200


def opens(frame: Timeframe, moment: datetime) -> datetime:
    """The open time of the slot of ``moment``, by the calendar."""
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if frame.name == "1y":
        return midnight.replace(month=1, day=1)
    if frame.name == "1M":
        return midnight.replace(day=1)
    if frame.name == "1w":
        return midnight - timedelta(days=midnight.weekday())
    if frame.name == "1d":
        return midnight
    minutes = 0 if frame.name == "1s" else int(frame.name[:-1])
    if not minutes:
        return moment.replace(microsecond=0)
    past = (moment.hour * 60 + moment.minute) % minutes
    return moment.replace(second=0, microsecond=0) - timedelta(minutes=past)


@given(frame=frames, time=times, fraction=st.sampled_from([0, 0.25, 0.999]))
def test_floor(frame: Timeframe, time: int, fraction: float) -> None:
    """The floor is the calendar's, for whole and broken seconds."""
    moment = to_datetime(time)
    assert to_datetime(frame.floor(time + fraction)) == opens(frame, moment)


@given(frame=frames, time=times)
def test_next_slot(frame: Timeframe, time: int) -> None:
    """The slot after is where the floor changes next, and shifting back returns."""
    opened = frame.floor(time)
    after = frame.shift(opened, 1)
    assert frame.floor(after) == after
    assert frame.floor(after - 1) == opened
    assert frame.shift(after, -1) == opened


@given(frame=frames, time=times, slots=st.integers(-40, 40))
def test_shift_is_repeated_steps(frame: Timeframe, time: int, slots: int) -> None:
    """Shifting by n is n steps of one."""
    expected = opened = frame.floor(time + 4_000_000_000)
    for _ in range(abs(slots)):
        expected = frame.shift(expected, 1 if slots > 0 else -1)
    assert frame.shift(opened, slots) == expected


@given(frame=frames, time=times, offset=st.integers(-3, 3), length=st.integers(0, 30), ragged=st.integers(0, 59))
def test_slots_are_counted(frame: Timeframe, time: int, offset: int, length: int, ragged: int) -> None:
    """The slots of a span are its open times, counted one by one."""
    start = frame.floor(time) + offset
    stop = frame.shift(frame.floor(time), length) + ragged
    expected, opened = 0, frame.ceil(start)
    while opened < stop:
        expected += 1
        opened = frame.shift(opened, 1)
    assert frame.slots(start, stop) == expected


@given(frame=frames, time=times)
def test_ceil(frame: Timeframe, time: int) -> None:
    """The ceiling is the first open time not before."""
    ceiling = frame.ceil(time)
    assert ceiling >= time
    assert frame.floor(ceiling) == ceiling
    assert frame.shift(ceiling, -1) < time


@pytest.mark.parametrize(
    ("name", "moment", "opened"),
    [
        ("1w", "2026-03-11T14:40:58", "2026-03-09T00:00:00"),
        ("1M", "2026-03-11T14:40:58", "2026-03-01T00:00:00"),
        ("1y", "2026-03-11T14:40:58", "2026-01-01T00:00:00"),
        ("240m", "2026-03-11T14:40:58", "2026-03-11T12:00:00"),
        ("1M", "2024-02-29T23:59:59", "2024-02-01T00:00:00"),
    ],
)
def test_recorded_grids(name: str, moment: str, opened: str) -> None:
    """The open times that the exchange itself sent on 2026-03-11."""
    time = from_datetime(datetime.fromisoformat(moment))
    assert to_datetime(Timeframe.of(name).floor(time)) == datetime.fromisoformat(opened).replace(tzinfo=UTC)


def test_names() -> None:
    """A minute is not a month; an hour has two names; anything else is refused, with what there is."""
    assert Timeframe.of("1m") is not Timeframe.of("1M")
    assert Timeframe.of("1h") is Timeframe.of("60m")
    assert Timeframe.of("4h") is Timeframe.of("240m")
    assert [frame.name for frame in TIMEFRAMES] == "1s 1m 3m 5m 10m 15m 30m 60m 240m 1d 1w 1M 1y".split()
    for wrong in ("1H", "1D", "2m", "", " 1m", "1m ", None, 1, "1mo"):
        with pytest.raises(RequestError, match="timeframe is .*; take one of 1s 1m"):
            Timeframe.of(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("minute1", "1m"), ("minute60", "60m"), ("minute240", "240m"), ("minutes/5", "5m"), ("5min", "5m"),
        ("day", "1d"), ("days", "1d"), ("week", "1w"), ("month", "1M"), ("1mo", "1M"), ("Day", "1d"), ("1D", "1d"),
        ("1W", "1w"), ("1H", "60m"), ("1hour", "60m"), ("second", "1s"),
    ],
)  # fmt: skip
def test_names_of_others(name: str, meant: str) -> None:
    """What pyupbit and others call a timeframe is refused, and ours is named."""
    with pytest.raises(RequestError, match=f"; did you mean '{meant}'\\?$"):
        Timeframe.of(name)


@pytest.mark.parametrize("name", ["2m", "minute2", "D", "1 m", "", "m1", "1day1", "9" * 5000])
def test_names_of_nobody(name: str) -> None:
    """Where nothing is meant, nothing is guessed."""
    with pytest.raises(RequestError, match="1y 1h 4h$"):
        Timeframe.of(name)


def test_copies_are_the_same() -> None:
    """A copied or pickled timeframe is still the one."""
    frame = Timeframe.of("1d")
    assert copy.deepcopy(frame) is frame
    assert pickle.loads(pickle.dumps(frame)) is frame


def test_naive_is_utc_whatever_tz() -> None:
    """A naive datetime means UTC under any TZ."""
    program = (
        "from datetime import datetime; from rxcandles.model.timeframe import *;"
        "t = from_datetime(datetime(2026, 3, 8, 7, 30)); f = [Timeframe.of(n).floor(t) for n in ('1d', '1w', '1M')];"
        "print(t, f, to_datetime(t))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, "TZ": zone}, capture_output=True, text=True, check=True
        ).stdout
        for zone in ("UTC", "Asia/Seoul", "America/New_York")
    }
    assert len(outputs) == 1
    assert outputs.pop().startswith("1772955000.0 ")


def test_divides() -> None:
    """One timeframe divides another where each slot of the longer begins and ends with slots of the shorter."""
    instants = [1_708_300_800 + number * 40_000 for number in range(3000)]  # three years and more
    for shorter in TIMEFRAMES:
        for longer in TIMEFRAMES:
            opened = {longer.floor(instant) for instant in instants}
            whole = all(shorter.floor(time) == time for time in opened)
            assert shorter.divides(longer) == (whole and TIMEFRAMES.index(shorter) <= TIMEFRAMES.index(longer))
