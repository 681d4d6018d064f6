"""The vocabulary of time: what is read, in which zone, and what is answered to what can't be meant."""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxcandles.errors import RequestError
from rxcandles.model import Request
from rxcandles.model.moments import KST, default_zone, read_length, read_time, zone
from rxcandles.model.timeframe import TIMEFRAMES, Timeframe

SEOUL = ZoneInfo("Asia/Seoul")
NOW = datetime(2024, 11, 27, 13, 54, 10, tzinfo=UTC)
NINE = datetime(2024, 1, 1, 9, tzinfo=UTC)
MIDNIGHT_IN_SEOUL = datetime(2023, 12, 31, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2024-01-01", MIDNIGHT_IN_SEOUL),
        (" 2024-01-01 ", MIDNIGHT_IN_SEOUL),
        (date(2024, 1, 1), MIDNIGHT_IN_SEOUL),
        (datetime(2024, 1, 1), MIDNIGHT_IN_SEOUL),
        (pandas.Timestamp("2024-01-01"), MIDNIGHT_IN_SEOUL),
        ("2024-01-01 18:00", NINE),
        ("2024-01-01T18:00:00", NINE),
        ("2024-01-01 18:00 KST", NINE),
        ("2024-01-01 18:00KST", NINE),
        ("2024-01-01 18:00 Asia/Seoul", NINE),
        ("2024-01-01 18:00+09:00", NINE),
        ("2024-01-01 18:00 +0900", NINE),
        ("2024-01-01 09:00 UTC", NINE),
        ("2024-01-01T09:00Z", NINE),
        ("2024-01-01 04:00 America/New_York", NINE),
        (datetime(2024, 1, 1, 9, tzinfo=UTC), NINE),
        (pandas.Timestamp("2024-01-01 09:00", tz="UTC"), NINE),
    ],
)
def test_times(value: Any, expected: datetime) -> None:
    """A time that names a zone is of that, every other of the zone given; a date is its midnight."""
    for there in (KST, SEOUL):
        found = read_time("since", value, there)
        assert found.utcoffset() is not None
        assert found == expected


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("2024/01/02", r"did you mean '2024-01-02'\?$"),
        ("2024.01.02", r"did you mean '2024-01-02'\?$"),
        ("2024-02", r"did you mean '2024-02-01'\?$"),
        ("20240102", r"write '2024-01-31'"),
        ("1704067200", r"write '2024-01-31'"),
        (1704067200, r"write '2024-01-31'"),
        ("2024-01-32", r"write '2024-01-31'"),
        ("yesterday", r"write '2024-01-31'"),
        ("", r"write '2024-01-31'"),
        ("２024-01-01", r"write '2024-01-31'"),
        ("2024-01-01" + " " * 100 + "KST", r"write '2024-01-31'"),
        (None, r"write '2024-01-31'"),
        (pandas.NaT, r"write '2024-01-31'"),
        ("1969-12-31 23:59 UTC", r"give a time from 1970 on"),
    ],
)
def test_no_times(value: Any, said: str) -> None:
    """What is no time is refused by name, with what to write and, where it is near one, with that."""
    with pytest.raises(RequestError, match=rf"^since is .*{said}"):
        read_time("since", value)


def test_zones(monkeypatch: pytest.MonkeyPatch) -> None:
    """The zone given, else that of the environment, else UTC; one that is none is refused by the name it came under."""
    monkeypatch.delenv("RXCANDLES_TZ", raising=False)
    assert default_zone(None) is UTC
    monkeypatch.setenv("RXCANDLES_TZ", "Asia/Seoul")
    assert default_zone(None) == SEOUL
    assert default_zone("KST") is KST
    assert default_zone(UTC) is UTC
    monkeypatch.setenv("RXCANDLES_TZ", "Mars")
    with pytest.raises(RequestError, match=r"^RXCANDLES_TZ is 'Mars'; give a zone"):
        default_zone(None)
    with pytest.raises(RequestError, match=r"^tz is 9; give a zone"):
        zone("tz", 9)  # type: ignore[arg-type]
    with pytest.raises(RequestError, match=r"^the zone of since is 'Mars/Base'; give a zone"):
        read_time("since", "2024-01-01 09:00 Mars/Base")


@pytest.mark.parametrize(
    ("value", "seconds", "months"),
    [
        ("45s", 45, 0), ("90m", 5400, 0), ("24h", 86_400, 0), ("30d", 2_592_000, 0), ("8w", 4_838_400, 0),
        ("6M", 0, 6), ("2y", 0, 24), ("30 d", 2_592_000, 0),
        (timedelta(hours=3), 10_800, 0), (pandas.Timedelta(days=2), 172_800, 0),
    ],
)  # fmt: skip
def test_lengths(value: Any, seconds: int, months: int) -> None:
    """A number and a unit; ``m`` is minutes and ``M`` is months."""
    found = read_length("last", value)
    assert (found.seconds, found.months) == (seconds, months)


@pytest.mark.parametrize("value", ["", "d", "0d", "-1d", "1.5h", "1mo", "101y", "1201M", "9" * 10 + "w", 5, None,
                                   timedelta(0), timedelta(days=-1), pandas.NaT, "３0d"])  # fmt: skip
def test_no_lengths(value: Any) -> None:
    """What is no length is refused with what to write."""
    with pytest.raises(RequestError, match=r"^last is .*; write a number and a unit: 90m \(minutes\)"):
        read_length("last", value)


def test_a_bare_number_is_answered() -> None:
    """Days and candles are what it may have meant."""
    with pytest.raises(RequestError, match=r"30d are days, count=30 candles$"):
        read_length("last", "30")


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.sampled_from([UTC, KST, SEOUL])),
    st.integers(1, 240),
)
def test_months_back(moment: datetime, months: int) -> None:
    """Months are those of the calendar: one after the other, and a day that a month lacks is its last."""
    year, month = moment.year, moment.month
    for _ in range(months):
        year, month = (year, month - 1) if month > 1 else (year - 1, 12)
    day = min(moment.day, calendar.monthrange(year, month)[1])
    assert read_length("last", f"{months}M").before(moment) == moment.replace(year=year, month=month, day=day)


LENGTHS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def asked(timeframe: str, **how: Any) -> tuple[str, str, int | None]:
    request = Request("KRW-BTC", timeframe, now=NOW.timestamp(), **how)
    start, stop = (
        "" if each is None else f"{datetime.fromtimestamp(each, UTC):%Y-%m-%d %H:%M}"
        for each in (request.start, request.stop)
    )
    return start, stop, request.count


@pytest.mark.parametrize(
    ("timeframe", "how", "expected"),
    [
        ("60m", {"since": "2024-11-27"}, ("2024-11-27 00:00", "2024-11-27 13:00", None)),
        ("60m", {"since": "2024-11-27", "tz": KST}, ("2024-11-26 15:00", "2024-11-27 13:00", None)),
        ("1d", {"since": date(2024, 1, 1), "until": date(2024, 2, 1)}, ("2024-01-01 00:00", "2024-02-01 00:00", None)),
        ("60m", {"count": 5}, ("", "2024-11-27 13:00", 5)),
        ("60m", {"count": 5, "until": "2024-01-01", "tz": KST}, ("", "2023-12-31 15:00", 5)),
        ("1m", {"last": "6m"}, ("2024-11-27 13:48", "2024-11-27 13:54", None)),
        ("60m", {"last": "24h"}, ("2024-11-26 13:00", "2024-11-27 13:00", None)),
        ("60m", {"last": "6M"}, ("2024-05-27 13:00", "2024-11-27 13:00", None)),
        ("1d", {"last": "30d"}, ("2024-10-28 00:00", "2024-11-27 00:00", None)),
        ("1d", {"last": "1M", "until": "2024-03-31"}, ("2024-02-29 00:00", "2024-03-31 00:00", None)),
        ("1M", {"last": "2y"}, ("2022-11-01 00:00", "2024-11-01 00:00", None)),
    ],
)
def test_requests(timeframe: str, how: dict[str, Any], expected: tuple[str, str, int | None]) -> None:
    """Each way to say how far back becomes the span it means."""
    assert asked(timeframe, **how) == expected


@pytest.mark.parametrize(
    ("timeframe", "how", "said"),
    [
        ("60m", {"until": "2024-01-01"}, r"and until, '2024-01-01', is only the newer end; give since="),
        (
            "60m",
            {"since": "2024-01-01", "count": 5},
            r"^since='2024-01-01' and count=5 are given together; give one",
        ),
        ("60m", {"since": "2024-01-01", "until": "2023-01-01"}, r"that is not before until, '2023-01-01'; give an ear"),
        ("60m", {"since": "2124-01-01"}, r"^since is '2124-01-01'; that is not before now, 2024-11-27 13:54 UTC; give"),
        (
            "1d",
            {"since": "2024-11-27"},
            r"no 1d candle from then on has ended by 2024-11-27 00:00 UTC; give an ear",
        ),
        ("60m", {"last": "6m"}, r"less than one 60m candle; give more; 6m are minutes, write 6M for months$"),
        ("1M", {"last": "20d"}, r"less than one 1M candle; give more$"),
        ("1d", {"last": "99y"}, r"before 1970"),
        ("60m", {"count": 0}, r"^count is 0"),
        ("minute60", {"count": 1}, r"did you mean '60m'"),
    ],
)
def test_refused(timeframe: str, how: dict[str, Any], said: str) -> None:
    """What can't be meant is refused in the caller's own words."""
    with pytest.raises(RequestError, match=said):
        asked(timeframe, **how)


@given(st.sampled_from(TIMEFRAMES), st.integers(1, 500), st.sampled_from("smhdwMy"))
def test_last_is_whole_candles(frame: Timeframe, number: int, unit: str) -> None:
    """Whatever the length: the candles begin on the grid, cover it back from the newest, and none more than needed."""
    try:
        request = Request("KRW-BTC", frame, last=f"{number}{unit}", now=NOW.timestamp())
    except RequestError:
        newest = datetime.fromtimestamp(frame.floor(NOW.timestamp() - 3), UTC)
        back = newest.timestamp() - number * {**LENGTHS, "M": 28 * 86_400, "y": 365 * 86_400}[unit]
        assert back > frame.shift(int(newest.timestamp()), -1) or back < 0 or number * 365 > 36_525
        return
    assert request.start is not None
    assert frame.floor(request.start) == request.start
    back = read_length("last", f"{number}{unit}").before(datetime.fromtimestamp(request.stop, UTC)).timestamp()
    assert request.start <= back < frame.shift(request.start, 1)
