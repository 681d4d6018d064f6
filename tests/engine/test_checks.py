"""The gate: nothing impossible is stored."""

import math
import time

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxcandles.errors import InvalidResponseError
from rxcandles.exchanges import CheckedPage, check_page
from rxcandles.model import Row
from rxcandles.model.timeframe import TIMEFRAMES, Timeframe
from rxcandles.ports import Page

TO = 1773240060  # 2026-03-11T14:41:00Z
GOOD = Row(TO - 60, 5.0, 7.0, 4.0, 6.0, 1.5, 9.0, (TO - 1) * 1000)


def page(*open_times: int) -> list[Row]:
    return [GOOD._replace(open_time=each, timestamp=each * 1000) for each in open_times]


def check(
    rows: list[Row], *, timeframe: str = "1m", to: int = TO, count: int = 200, server_time: float | None = None
) -> CheckedPage:
    return check_page(
        rows, symbol="KRW-BTC", timeframe=Timeframe.of(timeframe), to=to, count=count, server_time=server_time
    )


def short(rows: list[Row]) -> CheckedPage:
    return CheckedPage(rows, (0, TO), history_starts=True)


def refused(rows: list[Row], words: str, **how: object) -> None:
    with pytest.raises(InvalidResponseError, match=words) as caught:
        check(rows, **how)  # type: ignore[arg-type]
    assert "KRW-BTC" in str(caught.value)


def test_good():
    """A page that makes sense passes as it is. One as long as asked for reaches to its oldest row, else to nothing."""
    rows = page(TO - 60, TO - 120, TO - 6000)
    assert check(rows) == short(rows)
    assert check(rows, count=3) == CheckedPage(rows, (TO - 6000, TO), full=True)
    assert check([]) == short([])


def test_seam():
    """Rows at the head that open exactly at ``to`` repeat the page before: dropped, and the page stays full."""
    rows = page(TO, TO - 60, TO - 120)
    assert check(rows, count=3) == CheckedPage(rows[1:], (TO - 120, TO), full=True)
    assert check(page(TO, TO, TO - 60)) == short(page(TO - 60))
    assert check(page(TO), count=1) == CheckedPage([], (TO, TO), full=True)


def test_message():
    """A refusal says which row, what is wrong, and what was asked."""
    with pytest.raises(InvalidResponseError) as caught:
        check([GOOD._replace(high=math.nan), GOOD._replace(open_time=TO - 120, high=0.0)])
    assert str(caught.value) == (
        "KRW-BTC 1m, 200 before 2026-03-11T14:41:00Z: the candle of 2026-03-11T14:40:00Z: "
        "high is nan, not a finite price above 0, and of 2 candles 1 more can't be; nothing is stored"
    )


@pytest.mark.parametrize(
    ("open_times", "words"),
    [
        ((TO - 60, TO - 60), "14:40:00Z: it is repeated"),
        ((TO - 120, TO - 60), "14:40:00Z: it comes after an older one, 2026-03-11T14:39:00Z"),
        ((TO - 60, TO), "does not open before `to`"),
        ((TO + 60, TO), "14:42:00Z: it does not open before `to`"),
        ((TO, TO + 60), "does not open before `to`"),
        ((TO - 60, TO - 90), "14:39:30Z: its open time is off the grid"),
        ((0, -60), "before 1970"),
    ],
)
def test_order(open_times: tuple[int, ...], words: str):
    """Open times strictly descend, lie on the grid, and before ``to``."""
    refused(page(*open_times), words)


def test_windows():
    """A page that says what it covers proves just that; a row outside of it, or a window the wrong way, is refused."""
    rows = page(TO - 60, TO - 6000)
    window = Page(rows, covered=(TO - 6030, TO + 300))
    checked = check_page(window, symbol="KRW-BTC", timeframe=Timeframe.of("1m"), to=TO, count=200)
    assert checked == CheckedPage(rows, (TO - 6000, TO))
    for covered, words in [
        ((TO - 5940, TO), "outside of what the page says it covers, 2026-03-11T13:02:00Z to 2026-03-11T14:41:00Z"),
        ((TO - 6000, TO - 60), "outside of what the page says it covers"),
        ((TO, TO - 600), "which ends first"),
    ]:
        with pytest.raises(InvalidResponseError, match=words):
            check_page(
                attrs.evolve(window, covered=covered), symbol="KRW-BTC", timeframe=Timeframe.of("1m"), to=TO, count=200
            )


def test_too_many():
    """More rows than were asked for are not a page, not even where one is a seam's."""
    refused(page(TO - 60, TO - 120), "2 rows came", count=1)
    refused(page(TO, TO - 60), "2 rows came", count=1)


def test_future():
    """A candle that opens after the server's own clock, with 5 seconds to spare, is refused; one just then is not."""
    refused(page(TO - 60), "in the future", server_time=TO - 66)
    assert check(page(TO - 60), server_time=TO - 65).rows == page(TO - 60)
    assert check(page(TO - 60), server_time=TO - 60).rows == page(TO - 60)


@pytest.mark.parametrize("timeframe", TIMEFRAMES, ids=str)
def test_grid(timeframe: Timeframe):
    """Every timeframe's grid is kept: its own open times pass, a second later does not."""
    newest = timeframe.floor(TO)
    rows = page(*(timeframe.shift(newest, -each) for each in range(5)))
    assert check(rows, timeframe=timeframe.name, to=timeframe.shift(newest, 1)).rows == rows
    if timeframe.name != "1s":
        refused(page(newest + 1), "off the grid", timeframe=timeframe.name, to=timeframe.shift(newest, 1))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        *(({name: value}, f"{name} is {value}") for name in ("open", "high", "low", "close")
          for value in (0.0, -1.0, math.nan, math.inf)),
        *(({name: value}, f"{name} is {value}") for name in ("volume", "turnover")
          for value in (-1e-8, math.nan, math.inf)),
        ({"low": 5.5}, "not within low 5.5 and high 7.0"),
        ({"high": 5.5}, "not within low 4.0 and high 5.5"),
        ({"open": 8.0}, "not within"),
        ({"close": 3.0}, "not within"),
        ({"low": 8.0}, "not within"),
        ({"timestamp": 1.5e12}, "timestamp is"),
        ({"timestamp": True}, "timestamp is True"),
        ({"timestamp": (TO - 60 - 86_400) * 1000 - 1}, "timestamp is"),
        ({"timestamp": 2**63}, "timestamp is"),
        ({"open_time": float(TO - 60)}, "open_time is"),
        ({"open_time": math.nan}, "nan"),
        ({"open": None}, "no number"),
        ({"volume": "1"}, "no number"),
        ({"change_rate": math.nan}, "its change is not finite"),
        ({"prev_closing_price": 1.0, "change_price": math.inf}, "its change is not finite"),
    ],
)  # fmt: skip
def test_values(changes: dict[str, float], words: str):
    """Prices are finite, positive and in order, amounts finite and not negative, the timestamp a sane whole number."""
    refused([GOOD._replace(**changes)], words)


@pytest.mark.parametrize(
    "changes",
    [
        {"volume": 0.0, "turnover": 0.0},
        {"open": 5, "high": 5, "low": 5, "close": 5},
        {"timestamp": (TO - 60 - 86_400) * 1000},
        {"timestamp": (TO + 15) * 1000},
        {"prev_closing_price": 5.0, "change_price": -1.0, "change_rate": -0.2},
        {"open": 1e-8, "high": 1e-8, "low": 1e-8, "close": 1e-8},
    ],
)
def test_allowed(changes: dict[str, float]):
    """No trade, one price, tiny ones, a timestamp past the candle's end: all of these exist."""
    row = GOOD._replace(**changes)
    assert check([row]).rows == [row]


@given(slots=st.lists(st.integers(-3, 6), max_size=6), count=st.integers(1, 6), late=st.sampled_from([0, 0, 0, 30]))
def test_model(slots: list[int], count: int, late: int):
    """Whatever times come, a page passes exactly if, without its head at ``to``, it is what was asked for."""
    times = [TO - 60 * slot - late for slot in slots]
    rest = times[:]
    while rest and rest[0] == TO:
        del rest[0]
    sensible = (
        len(times) <= count
        and all(each < TO and each % 60 == 0 for each in rest)
        and rest == sorted(set(rest), reverse=True)
    )
    if sensible:
        full = CheckedPage(page(*rest), (min(rest, default=TO), TO), full=True)
        assert check(page(*times), count=count) == (full if len(times) == count else short(page(*rest)))
    else:
        with pytest.raises(InvalidResponseError):
            check(page(*times), count=count)


def test_fast():
    """A page of 200 is checked in less than a millisecond on any machine (0.1 is usual)."""
    rows = page(*(TO - 60 * each for each in range(1, 201)))
    best = math.inf
    for _ in range(20):
        begun = time.perf_counter()
        check(rows)
        best = min(best, time.perf_counter() - begun)
    assert best < 1e-3
