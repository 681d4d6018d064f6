"""One candle that can't be true: all others of its page are held, its slot is told, and asked for again."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rxcandles
from rxcandles.__main__ import main
from rxcandles.charts.strip import Counts
from rxcandles.cli.strip import legend, strip
from rxcandles.errors import IncompleteError, InvalidResponseError
from rxcandles.limiters import SlidingWindowLimiter
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.modes.provider import CandleDataProvider
from rxcandles.operators import Retry
from rxcandles.ports import Page
from rxcandles.stores import SqliteStore
from tests.support.fakes import MINUTE, NEWEST, FakeExchange, row, slots
from tests.support.virtualloop import run_virtual

FRAME = Timeframe.of("1m")
FAST = Retry(attempts=4, base=0.0)
TIMES = slots(1000)
"""A thousand minutes that all traded."""
BAD = TIMES[500]
SPAN: dict[str, Any] = {"to": to_datetime(TIMES[-1] + MINUTE), "end": to_datetime(TIMES[0])}
SERIES = ("KRW-BTC", "1m")


class Glitching(FakeExchange):
    """An exchange that has some candles with values that can't be."""

    def __init__(self, times: list[int], *bad: int, changes: dict[str, Any] | None = None) -> None:
        super().__init__(times)
        self.bad = set(bad)
        self.changes = {"high": 1.0} if changes is None else changes
        self.server_time = NEWEST + 90.0

    async def page(self, symbol: str, timeframe: Timeframe, to: int, count: int) -> Page:
        """The page, with what is wrong in it."""
        page = await super().page(symbol, timeframe, to, count)
        rows = [each._replace(**self.changes) if each.open_time in self.bad else each for each in page.rows]
        return attrs.evolve(page, rows=rows)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """A store."""
    async with SqliteStore(tmp_path / "candles.db") as opened:
        yield opened


def provider(store: SqliteStore, exchange: FakeExchange, cursors: int = 1, retry: Retry = FAST) -> CandleDataProvider:
    return CandleDataProvider(store, exchange, SlidingWindowLimiter(None), retry=retry, cursors=cursors)


async def collected(store: SqliteStore, exchange: FakeExchange, **how: Any) -> rxcandles.CollectionSummary:
    """Collect the span, or what is asked for, and return the summary, however it ended."""
    asked = {**SPAN} if "count" not in how else {"to": SPAN["to"]}
    cursors, retry = how.pop("cursors", 1), how.pop("retry", FAST)
    exchange.asked.clear()
    try:
        return await provider(store, exchange, cursors, retry).collect_candles_only(*SERIES, **asked, **how)
    except IncompleteError as error:
        return error.summary


async def held(store: SqliteStore) -> list[int]:
    return [each.open_time for each in await store.rows("KRW-BTC", FRAME, 0, 10**11, "oldest_first", 10_000)]


def starts(summary: rxcandles.CollectionSummary) -> list[int]:
    return [int(each.start.timestamp()) for each in summary.impossible_spans]


WRONG: list[dict[str, Any]] = [
    {"high": 1.0}, {"low": 0.0}, {"open": None}, {"close": -5.0}, {"close": math.nan}, {"open": math.inf},
    {"volume": None}, {"turnover": "5"}, {"timestamp": None}, {"timestamp": 5}, {"low": "100"}, {"high": [1]},
]  # fmt: skip


@pytest.mark.parametrize("changes", WRONG, ids=str)
async def test_all_others_are_held(changes: dict[str, Any], store: SqliteStore) -> None:
    """Whatever is wrong with it, 999 of 1,000 are held, its slot is named, and three answers have said so."""
    exchange = Glitching(TIMES, BAD, changes=changes)
    summary = await collected(store, exchange)
    assert await held(store) == [time for time in TIMES if time != BAD]
    assert (summary.collected_count, summary.db_records_count, summary.failed_spans) == (999, 999, ())
    assert starts(summary) == [BAD]
    assert (
        next(iter(changes)) in summary.impossible_spans[0].reason or "not within" in summary.impossible_spans[0].reason
    )
    assert (summary.api_calls_made, summary.retries) == (7, 2)
    covered = await store.coverage("KRW-BTC", FRAME, TIMES[0], TIMES[-1] + MINUTE)
    assert [(each.start, each.stop) for each in covered] == [(BAD + MINUTE, TIMES[-1] + MINUTE), (TIMES[0], BAD)]
    assert [each.kind for each in await store.claims("KRW-BTC", FRAME, 0, 10**11)] == []


async def test_later_runs_ask_again(store: SqliteStore) -> None:
    """Each later run asks for it by one request, until it comes; then nothing is asked."""
    exchange = Glitching(TIMES, BAD)
    await collected(store, exchange)
    for _ in range(3):
        summary = await collected(store, exchange)
        assert (summary.api_calls_made, starts(summary)) == (1, [BAD])
    [found] = await store.impossible("KRW-BTC", FRAME, 0, 10**11)
    assert (found.open_time, found.times) == (BAD, 4)
    exchange.bad.clear()
    summary = await collected(store, exchange)
    assert (summary.api_calls_made, summary.stored_count, summary.impossible_spans) == (1, 1, ())
    assert await held(store) == TIMES
    assert await store.impossible("KRW-BTC", FRAME, 0, 10**11) == []
    assert (await collected(store, exchange)).api_calls_made == 0


async def test_a_glitch_that_passes_is_none(store: SqliteStore) -> None:
    """What the next answer has in order was never impossible; nothing is left of it."""
    exchange = Glitching(TIMES, BAD)
    exchange.before = lambda to, count: exchange.bad.clear() if len(exchange.asked) == 5 else None
    summary = await collected(store, exchange)
    assert (summary.collected_count, summary.impossible_spans) == (1000, ())
    # Another one in each answer: after the last try all that is left is told, and the page is not lost.
    other = Glitching(TIMES)
    other.before = lambda to, count: other.bad.__init__([to - MINUTE * len(other.asked)])  # type: ignore[misc]
    async with SqliteStore(":memory:") as fresh:
        summary = await collected(fresh, other, retry=Retry(attempts=3, base=0.0))
    assert summary.failed_spans == ()
    assert summary.collected_count + len(summary.impossible_spans) == 1000


@pytest.mark.parametrize("share", [0.5, 0.6, 1.0])
async def test_mostly_wrong_is_no_page(share: float, store: SqliteStore) -> None:
    """A page of which more than half can't be true is invalid as a whole, tried again, and never stored."""
    exchange = Glitching(TIMES, *TIMES[400 : 400 + round(200 * share)])
    exchange.times = TIMES[400:600]
    summary = await collected(store, exchange)
    if share == 0.5:
        assert (summary.collected_count, len(summary.impossible_spans)) == (100, 100)
    else:
        assert (summary.collected_count, await held(store)) == (0, [])
        assert summary.failed_spans
        assert summary.retries >= 3


@pytest.mark.parametrize("count", [1, 2, 3, 250, 999])
async def test_counts(count: int, store: SqliteStore) -> None:
    """An impossible candle neither counts nor stops: so many others are held, the newest there are."""
    for bad in ([TIMES[-1]], [TIMES[-2]], [TIMES[-1], TIMES[-2]], [TIMES[-count]]):
        async with SqliteStore(":memory:") as fresh:
            summary = await collected(fresh, Glitching(TIMES, *bad), count=count)
            good = [time for time in TIMES if time not in bad][-count:]
            assert summary.collected_count == len(good)
            assert (await held(fresh))[-count:] == good
            assert starts(summary) == sorted(time for time in bad if time > good[0])


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_of_any_market(data: st.DataObject) -> None:
    """Wherever they are, however dense the market and many the cursors: all good ones are held, all bad ones told."""
    density = data.draw(st.sampled_from([1.0, 0.7, 0.2]))
    times = slots(500, density, seed=data.draw(st.integers(0, 5)))
    bad = data.draw(st.lists(st.sampled_from(times), max_size=12, unique=True))
    cursors = data.draw(st.sampled_from([1, 3]))
    asked = {"to": to_datetime(times[-1] + MINUTE), "end": to_datetime(times[0])}

    async def go() -> None:
        exchange = Glitching(times, *bad)
        async with SqliteStore(":memory:") as store:
            for run in range(2):
                summary = None
                try:
                    summary = await provider(store, exchange, cursors).collect_candles_only(*SERIES, **asked)
                except IncompleteError as error:
                    summary = error.summary
                assert summary.failed_spans == ()
                assert starts(summary) == sorted(bad)
                assert await held(store) == [time for time in times if time not in bad], run
                for time in bad:
                    assert not await store.coverage("KRW-BTC", FRAME, time, time + MINUTE)
                    assert not await store.claims("KRW-BTC", FRAME, time, time + MINUTE)
            exchange.bad.clear()
            await provider(store, exchange, cursors).collect_candles_only(*SERIES, **asked)
            assert await held(store) == times

    run_virtual(go())


async def test_what_is_held_stays(store: SqliteStore) -> None:
    """A good candle that later answers have otherwise stays, also where all is asked for again, which tells it."""
    exchange = Glitching(TIMES)
    await collected(store, exchange)
    exchange.bad = {BAD, TIMES[0], TIMES[-1]}
    summary = await collected(store, exchange, refetch=True)
    assert starts(summary) == [TIMES[0], BAD, TIMES[-1]]
    assert (summary.removed_count, summary.revised_count) == (0, 0)
    assert await held(store) == TIMES
    assert await store.rows("KRW-BTC", FRAME, BAD, BAD + 1, "oldest_first", 1) == [row(BAD)]
    summary = await collected(store, exchange)
    assert (summary.api_calls_made, summary.impossible_spans) == (0, ())


@pytest.mark.parametrize("order", ["newest_first", "oldest_first"])
async def test_the_other_modes(order: Any, store: SqliteStore, caplog: pytest.LogCaptureFixture) -> None:
    """A list and a stream have all others, each time, and the log names it."""
    good = [time for time in TIMES if time != BAD][:: 1 if order == "oldest_first" else -1]
    for _ in range(2):
        there = provider(store, Glitching(TIMES, BAD))
        candles = await there.get_candles(*SERIES, **SPAN, order=order)
        assert [each.open_seconds for each in candles] == good
        caplog.clear()
        async with there.stream_candles(*SERIES, **SPAN, order=order) as stream:
            assert [each.open_seconds async for chunk, _ in stream for each in chunk] == good
        [told] = [each for each in caplog.records if getattr(each, "event", "") == "impossible"]
        assert (told.levelname, told.open_time) == ("WARNING", "2023-11-14T13:54:00Z")  # type: ignore[attr-defined]


async def test_structure_is_never_forgiven(store: SqliteStore) -> None:
    """A candle of another time, off the grid or doubled is no candle that can't be, but a page that can't."""
    for off in (1, -MINUTE):

        class Off(Glitching):
            async def page(self, *asked: Any, off: int = off) -> Page:
                page = await super().page(*asked)
                rows = [each._replace(open_time=BAD + off) if each.open_time == BAD else each for each in page.rows]
                return attrs.evolve(page, rows=rows)

        with pytest.raises(InvalidResponseError):
            await provider(store, Off(TIMES)).get_candles(*SERIES, **SPAN)


async def test_the_file_says_so(store: SqliteStore, capsys: pytest.CaptureFixture[str]) -> None:
    """The overview counts it as missing, the check has a note, and a file without the table is read all the same."""
    await collected(store, Glitching(TIMES, BAD))
    [series] = await rxcandles.overview(store)
    assert (series.candles, series.missing, series.holes, series.impossible) == (999, 1, 1, 1)
    report = await rxcandles.verify(store.path)
    assert report.clean
    [finding] = [each for each in report.findings if each.kind == "impossible_answer"]
    assert finding.start == to_datetime(BAD)
    assert "can't be true" in finding.detail
    with closing(sqlite3.connect(store.path)) as connection:
        connection.execute("DROP TABLE impossible")
        connection.commit()
    assert await store.impossible("KRW-BTC", FRAME, 0, 10**11) == []
    assert (await rxcandles.overview(store))[0].impossible == 0


async def test_strips_show_it(store: SqliteStore) -> None:
    """Its slot is of a kind of its own in cells, charts and what a notebook shows, wherever no candle is held."""
    await collected(store, Glitching(TIMES, BAD))
    cells = await rxcandles.coverage_cells(store, *SERIES, (TIMES[0], TIMES[-1] + MINUTE), 10)
    assert [each.impossible for each in cells] == [int(each.start <= BAD < each.stop) for each in cells]
    assert sum(each.missing for each in cells) == 1
    assert cells._repr_html_().count('title="impossible"') == 1
    assert 'title="missing"' not in cells._repr_html_()
    assert strip(cells, 10, blocks=False).plain == "#####!####"
    assert "╳ impossible" in legend(cells, blocks=True).plain
    data = await rxcandles.charts.read_chart(store, *SERIES)
    assert data.impossible == ((500, 501),)
    counts = Counts(data).between(0, data.slots)
    assert (counts.stored, counts.missing, counts.impossible) == (999, 0, 1)
    await collected(store, FakeExchange(TIMES))  # and what has come after all is stored
    assert (await rxcandles.charts.read_chart(store, *SERIES)).impossible == ()
    assert not any(
        each.impossible for each in await rxcandles.coverage_cells(store, *SERIES, (TIMES[0], TIMES[-1] + MINUTE), 10)
    )


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """A database with one impossible candle."""
    path = tmp_path / "shown.db"

    async def make() -> None:
        async with SqliteStore(path) as store:
            await collected(store, Glitching(TIMES, BAD))

    run_virtual(make())
    return path


def test_commands(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`coverage` and `verify` name it, as text and as JSON, and exit with 0: the file is true."""
    when = f"{to_datetime(BAD):%Y-%m-%d %H:%M:%S}"
    assert main(["coverage", "--db", str(there)]) == 0
    out = capsys.readouterr().out
    assert "impossible" in out
    assert out.count("╳") == 2  # in the strip and below it
    assert f"the candle of {when} UTC can't be true" in out
    assert main(["coverage", "--db", str(there), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    [impossible] = told["impossible"]
    assert (told["impossible_slots"], impossible["start"]) == (1, f"{when.replace(' ', 'T')}Z")
    assert main(["verify", "--db", str(there)]) == 0
    out = capsys.readouterr().out
    assert f"impossible_answer: upbit KRW-BTC 1m, {when} to " in out
    assert out.endswith(
        "nothing is wrong; 1 candle is impossible and not stored: the exchange's values can't be true\n"
    )
    assert main(["verify", "--db", str(there), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["counts"] == {"impossible_answer": 1}
