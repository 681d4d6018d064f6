"""An instant is the same in whichever zone it is written, and nothing depends on where the machine thinks it is."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxcandles import TIMEFRAMES, Request, RequestError, Timeframe
from rxcandles.model.timeframe import to_datetime

T = datetime(2024, 1, 1)
LAST = datetime(9999, 12, 31, 23, 59, 59, 999_999)
LATER = 2_000_000_000
"""2033-05-18T03:33:20Z, which is now in here."""

MACHINES = ("UTC", "Asia/Seoul", "America/New_York")


def collected(zone: str, folder: Path) -> tuple[str, list[tuple[object, ...]]]:
    """What a span over a change to summer time prints, and what it stores, under ``TZ=zone``."""
    folder.mkdir()
    commands = [
        ["get", "KRW-BTC", timeframe, "--to", to, "--end", end, "--format", "csv", "--exchange", "simulated"]
        for timeframe, to, end in (
            ("1m", "2024-03-10T09:00", "2024-03-10T05:00"),
            ("240m", "2024-03-12", "2024-03-09"),
            ("1w", "2024-04-01", "2024-02-01"),
            ("1M", "2024-12-01", "2023-06-15"),
        )
    ]
    program = "import sys; from rxcandles.__main__ import main; sys.exit(any(main(each) for each in {}))"
    done = subprocess.run(
        [sys.executable, "-c", program.format([[*each, "--rate-limit", "none"] for each in commands])],
        cwd=folder,
        env={**os.environ, "TZ": zone},
        capture_output=True,
        text=True,
        check=True,
    )
    connection = sqlite3.connect(folder / "candles.db")
    rows = connection.execute("SELECT * FROM candles ORDER BY series, open_time").fetchall()
    rows += connection.execute("SELECT * FROM coverage ORDER BY series, start").fetchall()
    connection.close()
    return done.stdout, rows


def test_same_everywhere(tmp_path: Path) -> None:
    """The same candles and the same rows, to the byte, in Seoul, New York and Greenwich."""
    first, *others = (collected(zone, tmp_path / str(number)) for number, zone in enumerate(MACHINES))
    assert first[1]
    assert all(other == first for other in others)


class Odd(tzinfo):
    """A zone of any offset, or of none."""

    def __init__(self, offset: timedelta | None) -> None:
        self.offset = offset

    def utcoffset(self, _when: datetime | None) -> timedelta | None:
        return self.offset


def stop(to: datetime, timeframe: str = "1s") -> int:
    """Where a request that ends at ``to`` ends."""
    return Request("KRW-BTC", timeframe, count=1, to=to, now=LATER).stop


@pytest.mark.parametrize(
    ("zone", "wall", "fold", "expected"),
    [
        ("Asia/Seoul", "2024-01-01T00:00:00", 0, 1_704_034_800),
        ("Asia/Seoul", "1988-05-08T01:59:59", 0, 579_027_599),
        ("Asia/Seoul", "1988-05-08T03:00:00", 0, 579_027_600),
        ("Asia/Seoul", "1988-10-09T02:30:00", 0, 592_331_400),
        ("Asia/Seoul", "1988-10-09T02:30:00", 1, 592_335_000),
        ("America/New_York", "2024-03-10T01:59:59", 0, 1_710_053_999),
        ("America/New_York", "2024-03-10T02:30:00", 0, 1_710_055_800),
        ("America/New_York", "2024-03-10T02:30:00", 1, 1_710_052_200),
        ("America/New_York", "2024-03-10T03:00:00", 0, 1_710_054_000),
        ("America/New_York", "2024-11-03T01:30:00", 0, 1_730_611_800),
        ("America/New_York", "2024-11-03T01:30:00", 1, 1_730_615_400),
        ("America/New_York", "2024-11-03T02:00:00", 0, 1_730_617_200),
        ("Europe/London", "2024-03-31T00:59:59", 0, 1_711_846_799),
        ("Europe/London", "2024-03-31T02:00:00", 0, 1_711_846_800),
        ("Europe/London", "2024-10-27T01:30:00", 0, 1_729_989_000),
        ("Europe/London", "2024-10-27T01:30:00", 1, 1_729_992_600),
        ("Europe/London", "1970-01-01T01:00:00", 0, 0),
        ("Australia/Lord_Howe", "2024-04-07T01:45:00", 0, 1_712_414_700),
        ("Australia/Lord_Howe", "2024-04-07T01:45:00", 1, 1_712_416_500),
        ("Asia/Kathmandu", "2024-01-01T05:45:00", 0, 1_704_067_200),
        ("Pacific/Kiritimati", "2024-01-01T14:00:00", 0, 1_704_067_200),
        ("Africa/Monrovia", "1971-01-01T00:00:00", 0, 31_538_670),
    ],
)
def test_edges_of_summer_time(zone: str, wall: str, fold: int, expected: int) -> None:
    """A time in any zone is its instant: also one that exists twice, or not at all, on the night of a change."""
    assert stop(datetime.fromisoformat(wall).replace(tzinfo=ZoneInfo(zone), fold=fold)) == expected


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        (timedelta(hours=9), 1_704_034_800),
        (timedelta(hours=-23, minutes=-59, seconds=-59), 1_704_153_599),
        (timedelta(minutes=34, seconds=8), 1_704_065_152),
        (timedelta(microseconds=1), 1_704_067_200),
        (timedelta(microseconds=-1), 1_704_067_201),
        (None, 1_704_067_200),
    ],
)
def test_odd_zones(offset: timedelta | None, expected: int) -> None:
    """Offsets of seconds and less count; a zone that knows no offset makes a naive time, which means UTC."""
    assert stop(T.replace(tzinfo=Odd(offset))) == expected


@pytest.mark.parametrize("timeframe", [each.name for each in TIMEFRAMES])
def test_ends_of_time(timeframe: str) -> None:
    """Whatever lies ahead is cut to now, to the last day of 9999 and past it; 1970 begins with its first second."""
    now = stop(to_datetime(1_999_999_999), timeframe)
    for zone in (None, UTC, *(timezone(timedelta(hours=hours)) for hours in (-12, 14)), ZoneInfo("America/New_York")):
        assert stop(LAST.replace(tzinfo=zone), timeframe) >= now
        assert stop(LAST.replace(tzinfo=zone), timeframe) <= LATER
        assert Request("KRW-BTC", "1m", to=LAST.replace(tzinfo=zone), end=T, now=LATER).start == 1_704_067_200
    assert stop(datetime(1970, 1, 1), timeframe) == Timeframe.of(timeframe).ceil(0)


ZONES = st.sampled_from(
    "UTC Asia/Seoul America/New_York Europe/London Europe/Dublin Asia/Kathmandu America/St_Johns Australia/Lord_Howe "
    "Pacific/Apia Pacific/Kiritimati Africa/Monrovia Africa/Casablanca America/Sao_Paulo Antarctica/Troll".split()
).map(ZoneInfo)
INSTANTS = st.builds(
    lambda seconds, micros: datetime(1970, 1, 2, tzinfo=UTC) + timedelta(seconds=seconds, microseconds=micros),
    st.integers(0, 1_990_000_000), st.sampled_from([0, 1, 500_000, 999_999]),
)  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(INSTANTS, INSTANTS, ZONES, ZONES, st.sampled_from(TIMEFRAMES))
def test_any_zone(older: datetime, newer: datetime, one: ZoneInfo, other: ZoneInfo, timeframe: Timeframe) -> None:
    """A span is the same whichever zones its ends are written in, and whichever comes first."""

    def span(to: datetime, end: datetime) -> object:
        try:
            return Request("KRW-BTC", timeframe, to=to, end=end, now=LATER).span
        except RequestError as error:
            return re.sub(".* is empty", "empty", str(error))

    expected = span(newer, older)
    assert span(newer.astimezone(one), older.astimezone(other)) == expected
    assert span(older.astimezone(one), newer.astimezone(other)) == expected
    if isinstance(expected, tuple):
        first, last = sorted((older, newer))
        assert expected[0] == timeframe.ceil(first.timestamp())
        assert expected[1] <= timeframe.ceil(last.timestamp())
