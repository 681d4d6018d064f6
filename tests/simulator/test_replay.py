"""Recorded answers, served again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rxcandles.errors import RequestError
from rxcandles.model.timeframe import Timeframe
from rxcandles.simulator import Replay, Simulator

NOW = 1_790_000_000


def row(time: str, **fields: object) -> str:
    numbers = dict.fromkeys(("opening_price", "high_price", "low_price", "trade_price", "timestamp"), 5)
    amounts = {"candle_acc_trade_price": 1, "candle_acc_trade_volume": 1}
    whole = {"market": "KRW-X", "candle_date_time_utc": time, **numbers, **amounts, **fields}
    return json.dumps(whole)


def test_kinds(recorded: Path) -> None:
    """The kind of every recorded body is found, from its fields or from the file's name."""
    assert ["1s", "1m", "3m", "1d", "1w", "1M", "1y"] == [str(frame) for frame in Replay(recorded).timeframes]


def test_everything_is_there(recorded: Path) -> None:
    """All candles of all files are served, each open time once, newest first."""
    replay = Replay(recorded)
    counts = {str(frame): replay.newest(frame, NOW, 1000, NOW).rows for frame in replay.timeframes}
    assert {"1s": 1, "1m": 241, "3m": 300, "1d": 3, "1w": 1, "1M": 1, "1y": 1} == counts
    opens = [
        each["candle_date_time_utc"] for each in json.loads(replay.newest(Timeframe.of("3m"), NOW, 1000, NOW).text)
    ]
    assert sorted(opens, reverse=True) == opens


def test_bytes_come_back(recorded: Path) -> None:
    """A body that was recorded byte for byte is served byte for byte."""
    for kind, name in {"seconds": "1s", "days2": "1d", "weeks": "1w", "years": "1y"}.items():
        body = next(recorded.glob(f"upbit_raw_bytes_{kind}_*.json")).read_text()
        replay = Replay([body], timeframe=name)
        assert body == replay.newest(Timeframe.of(name), NOW, 2, NOW).text


async def test_paging(recorded: Path, ask: Any) -> None:
    """Over HTTP the recorded 1m candles page through as the live ones do, and end in an empty page."""
    async with Simulator([Replay(recorded)], rate=None) as sim:
        to, sizes = "2020-02-20T12:00:00Z", []
        while True:
            reply = await ask(sim, "minutes/1", market="KRW-BTC", to=to, count=100)
            sizes.append(len(reply.candles))
            if not reply.candles:
                break
            to = f"{reply.opens[-1]}Z"
        assert [100, 100, 40, 0] == sizes
        assert [] == (await ask(sim, "minutes/5", market="KRW-BTC")).candles


def test_truth(recorded: Path) -> None:
    """``rows`` gives the recorded numbers as floats, oldest first, with a day's changes."""
    replay = Replay(recorded)
    rows = replay.rows("1d", 0, NOW)
    assert [1_753_660_800, 1_753_747_200, 1_773_187_200] == [each.open_time for each in rows]
    assert (162_717_000.0, -234_000.0, -0.0014380796) == rows[0][8:]
    assert 237_170_267_365.09124 == rows[0].turnover
    assert rows[:2] == replay.rows("1d", 1_753_660_800, NOW, now=1_753_750_000)


def test_now_hides_what_follows() -> None:
    """A clock in the past sees nothing that was recorded after it."""
    replay = Replay([f"[{row('2026-01-01T00:01:00', unit=1)},{row('2026-01-01T00:00:00', unit=1)}]"])
    assert [2, 1, 0] == [
        replay.newest(Timeframe.of("1m"), 1e12, 9, now).rows for now in (1_767_225_660, 1_767_225_659, 1_767_225_599)
    ]


def test_later_bodies_win() -> None:
    """Of two candles with one open time the later body's is served."""
    bodies = [f"[{row('2026-01-01T00:00:00', unit=1, trade_price=price)}]" for price in (1, 2)]
    assert [2.0] == [each.close for each in Replay(bodies).rows("1m", 0, NOW)]


@pytest.mark.parametrize(("name", "time"), [("1w", "2026-03-09"), ("1M", "2026-03-01")])
def test_calendar_tells(name: str, time: str) -> None:
    """A Monday that opens no month is a week, the first of a month that is no Monday and no New Year a month."""
    replay = Replay([f"[{row(f'{time}T00:00:00', first_day_of_period=time)}]"])
    assert [name] == [str(frame) for frame in replay.timeframes]


def test_doubt_is_an_error() -> None:
    """A New Year's Day may open a month or a year: the caller has to say which."""
    body = f"[{row('2026-01-01T00:00:00', first_day_of_period='2026-01-01')}]"
    with pytest.raises(RequestError, match="1M or 1y"):
        Replay([body])
    assert ["1y"] == [str(frame) for frame in Replay([body], timeframe="1y").timeframes]


def test_several_markets() -> None:
    """Where several markets were recorded, one is chosen by name."""
    bodies = [f"[{row('2026-01-01T00:00:00', unit=1, market=market)}]" for market in ("KRW-A", "KRW-B")]
    with pytest.raises(RequestError, match="KRW-A, KRW-B"):
        Replay(bodies)
    assert "KRW-B" == Replay(bodies, market="KRW-B").symbol
    with pytest.raises(RequestError, match="KRW-C"):
        Replay(bodies, market="KRW-C")


@pytest.mark.parametrize("body", ["{", "[1]", '[{"a":1}]', '{"error":{}}'])
def test_other_bodies_are_errors(body: str) -> None:
    """A body that holds no candles is named, not skipped."""
    with pytest.raises(RequestError, match="a body"):
        Replay([body])


def test_nothing_recorded(tmp_path: Path) -> None:
    """An empty folder and no bodies at all are errors."""
    for nothing in (tmp_path, tmp_path / "none.json", []):
        with pytest.raises(RequestError):
            Replay(nothing)
