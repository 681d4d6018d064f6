"""What an exchange that is ill for a while leaves behind: nothing that two later runs don't make true.

The exchange is in memory and time is made up (``tests.support.ordeal``), so that hours pass in moments.
"""

from __future__ import annotations

import logging
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import rxcandles
from rxcandles.errors import ContradictionError, IncompleteError
from rxcandles.exchanges import UpbitExchange
from rxcandles.model.spans import SpanSet
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.operators import Retry
from rxcandles.stores import SqliteStore
from rxcandles.stores.sql.columns import COLUMNS
from rxcandles.stores.sqlite import schema
from tests.support.ordeal import (
    DAY,
    HISTORY,
    HOUR,
    HOW,
    LASTING,
    MODES,
    NOW,
    REQUESTS,
    START,
    at,
    collect,
    final_audit,
    keep_current,
    ordeal,
)
from tests.support.unwell import MINUTE, SYMBOL, WELL, Ill, Illness, Truth

pytestmark = pytest.mark.exhaustive

TRUTHS = {density: Truth(START, HISTORY, density, seed=7) for density in (1.0, 0.3, 0.02)}
FRAME = Timeframe.of("1m")
TO = to_datetime(NOW)
AT_ONCE = Retry(attempts=4, base=0.0, longest=0.0)
END = START + HISTORY * MINUTE


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.getLogger("rxcandles").setLevel(logging.CRITICAL)
    yield
    logging.getLogger("rxcandles").setLevel(logging.NOTSET)


TAKING_TURNS = [
    pytest.param(illness, how, asked, mode, id=f"{illness}-{how}-{asked}-{mode}")
    for illness in LASTING
    for way, how in enumerate(HOW)
    for number, asked in enumerate(REQUESTS)
    for place, mode in enumerate(MODES)
    if (number + place) % 3 == way
]
"""Each illness in every way, each way with every request and every mode; `python -m profiling absence` tries all."""


@pytest.mark.filterwarnings("ignore::rxcandles.LargeCollectionWarning")
@pytest.mark.parametrize(("illness", "how", "asked", "mode"), TAKING_TURNS)
async def test_two_later_runs_make_it_true(illness: str, how: str, asked: str, mode: str) -> None:
    """Whatever the illness: nothing is lost or wrong then, nothing false was ever final, and a third is cheap."""
    # The densities take turns, so that each meets every illness, way, request and mode, if not all at once.
    turn = list(LASTING).index(illness) + list(HOW).index(how) + list(REQUESTS).index(asked) + list(MODES).index(mode)
    density = list(TRUTHS)[turn % 3]
    if density == 0.02 and illness == "an hour is missing":
        density = 1.0  # chance makes such a gap there every few pages: one answer is believed
    for held in (0, 300):
        ill = Ill(TRUTHS[density], LASTING[illness], seed=turn, **HOW[how])
        outcome = await ordeal(TRUTHS[density], ill, REQUESTS[asked], MODES[mode], held=held)
        assert (outcome.well.lost, outcome.well.uncovered, outcome.well.wrong) == (0, 0, 0)
        assert outcome.ill.false_final == outcome.well.false_final == 0
        assert outcome.later[2] <= 1  # nothing most often; it depends on which of two cursors is first


@pytest.mark.parametrize("density", TRUTHS)
@pytest.mark.parametrize(
    ("illness", "share"),
    [
        (Illness(lag=6), 0.02),
        (Illness(lag=8), 0.1),
        (Illness(lag=130), 0.3),
        (Illness(without_newest=True), 0.2),
        (Illness(late=6), 1.0),
        (Illness(lag=600), 0.25),
    ],
    ids=["6 s behind", "8 s behind", "130 s behind", "lacks the newest", "late trades", "10 minutes behind"],
)
async def test_kept_current_every_minute(illness: Illness, share: float, density: float) -> None:
    """A replica behind its clock, at second 5 of each minute, loses nothing and leaves no candle wrong."""
    ill = Ill(TRUTHS[density], illness, share=share, seed=1)
    during, after, _ = await keep_current(TRUTHS[density], ill, 60, begin=START + 10 * DAY)
    assert during.false_final == 0
    assert (after.lost, after.uncovered, after.wrong, after.false_final) == (0, 0, 0, 0)


@pytest.mark.parametrize("density", TRUTHS)
async def test_price_of_keeping_current(density: float) -> None:
    """A request a minute."""
    _, _, requests = await keep_current(TRUTHS[density], Ill(TRUTHS[density]), 60, begin=START + 10 * DAY)
    assert requests <= 60 * 1.1


@pytest.mark.parametrize(
    ("truth", "most"),
    [
        (Truth(START, HISTORY, 1.0, halts=[(START + 10 * DAY, START + 11 * DAY)]), 1),
        (Truth(START, HISTORY, 1.0, halts=[(START + 15 * DAY, START + 16 * DAY)]), 2),
        (Truth(START, HISTORY, 1 / 180, seed=2), 2),
    ],
    ids=["a halt of a day", "a halt that lasts", "trades once in three hours"],
)
async def test_price_of_a_second_answer(truth: Truth, most: int, tmp_path: Path) -> None:
    """A request or two later, once the confirm times have passed; none within them, and none ever after."""
    ill, costs, path = Ill(truth), [], tmp_path / "candles.db"
    with at(NOW) as clock:
        for pause in (30, 30, 60, HOUR, HOUR, HOUR, HOUR):
            ill.requests = 0
            await collect(path, ill, {"end": to_datetime(START + 2 * DAY), "to": to_datetime(END)})
            costs.append(ill.requests)
            clock.now += pause
    assert costs[1] == costs[2] == 0
    assert sum(costs[3:]) <= most
    assert costs[-2:] == [0, 0]


async def test_said_in_the_summary(tmp_path: Path) -> None:
    """What is provisional is in the summary: what, where, by how many answers, and when it is asked again."""
    truth = Truth(START, HISTORY, 1.0, halts=[(START + 15 * DAY, START + 15 * DAY + HOUR)])
    with at(NOW):
        async with SqliteStore(tmp_path / "candles.db") as store:
            provider = rxcandles.CandleDataProvider(store, Ill(truth), rxcandles.SlidingWindowLimiter(None))
            summary = await provider.collect_candles_only(SYMBOL, "1m", to=TO, end=to_datetime(START + 14 * DAY))
    (span,) = summary.provisional_spans
    assert (span.kind, span.start, span.slots, span.times) == ("gap", to_datetime(START + 15 * DAY), 60, 1)
    assert (span.first_heard, span.asks_again) == (to_datetime(int(NOW)), to_datetime(int(NOW) + HOUR))


CONTRADICTED = "which is held already|but there is no 1d candle for .*, where one of 1m is known|a candle of .* is held"


async def contradicted(path: Path, ill: Ill, asked: dict[str, Any]) -> str:
    async with SqliteStore(path) as store:
        provider = rxcandles.CandleDataProvider(
            store,
            ill,
            rxcandles.SlidingWindowLimiter(None),
            retry=rxcandles.operators.Retry(attempts=3, base=0.0, longest=0.0),
        )
        with pytest.raises(ContradictionError) as caught:
            await provider.get_candles(SYMBOL, "1m", **asked)
    return str(caught.value)


@pytest.mark.parametrize(
    ("illness", "asked", "held", "said"),
    [
        (
            Illness(empty=True),
            {"count": 500},
            0,
            "says that nothing is older than .*, but its list of markets is empty",
        ),
        (Illness(empty=True), {"count": 500}, 300, CONTRADICTED),
        (Illness(keeps=3 * DAY), {"count": 5000}, 0, CONTRADICTED),
        (Illness(keeps=DAY), {"count": 5000}, 3000, CONTRADICTED),
    ],
    ids=["nothing at all", "nothing older", "the last days only", "contradicts what is held"],
)
async def test_contradictions(illness: Illness, asked: dict[str, Any], held: int, said: str, tmp_path: Path) -> None:
    """What contradicts what is known is never believed: an error says what contradicts what, and nothing is stored."""
    truth, path = TRUTHS[1.0], tmp_path / "candles.db"
    ill = Ill(truth)
    with at(NOW) as clock:
        if held:
            await collect(path, ill, {"count": held, "to": TO})
        ill.illness = illness
        for pause in (0, 2 * HOUR, 2 * HOUR):  # as often as it is asked
            clock.now += pause
            message = await contradicted(path, ill, {"to": TO, **asked})
            assert re.search(said, message), message
            assert "nothing of it is stored" in message
        audit = final_audit(path, truth, NOW)
        assert (audit.lost, audit.claims) == (0, 0)
        ill.illness = WELL
        await collect(path, ill, {"to": TO, **asked})
        assert (final_audit(path, truth, NOW, START + HISTORY * MINUTE - 400 * MINUTE)).uncovered == 0


async def test_second_questions_differ(tmp_path: Path) -> None:
    """A second question goes over a connection of its own, and is another one each time."""

    class Watched(Ill):
        anew: list[tuple[int, int]]

        async def page_anew(self, symbol: str, timeframe: Timeframe, to: int, count: int) -> rxcandles.Page:
            if timeframe.name == "1m":
                self.anew.append((to, count))
            return await super().page_anew(symbol, timeframe, to, count)

    ill = Watched(TRUTHS[1.0], Illness(empty=True))
    ill.anew = []
    with at(NOW):
        await contradicted(tmp_path / "candles.db", ill, {"to": TO, "count": 100})
    asked = [(to, count) for name, to, count in ill.asked if name == "1m"]
    assert len(asked) == len(set(asked)) == 3
    assert ill.anew == asked[1:]


async def test_beginning_is_found_in_few_requests(tmp_path: Path) -> None:
    """Years before a market was listed cost a question about its months, not one about each page."""
    truth = TRUTHS[1.0]
    ill = Ill(truth)
    with at(NOW):
        async with SqliteStore(tmp_path / "candles.db") as store:
            provider = rxcandles.CandleDataProvider(store, ill, rxcandles.SlidingWindowLimiter(None), cursors=1)
            request = {"to": to_datetime(START + 400 * MINUTE), "end": to_datetime(START - 9 * 365 * DAY)}
            candles = await provider.get_candles(
                SYMBOL,
                "1m",
                **request,
                order="oldest_first",
                config=rxcandles.CollectionConfig(enable_memory_warning=False),
            )
    assert [row.open_seconds for row in candles] == truth.opens[:400]
    assert ill.requests <= 20


# Clocks


@pytest.mark.parametrize("ahead", [0, 30, HOUR, 5 * HOUR])
@pytest.mark.parametrize("name", ["1m", "60m", "1d"])
async def test_no_date(name: str, ahead: int, tmp_path: Path) -> None:
    """Where the server does not tell its time, what is covered ends where a newer candle shows that it is over."""
    truth, frame = TRUTHS[1.0], Timeframe.of(name)
    now = NOW - 7 * HOUR - 20 * MINUTE
    rows = [row for row in truth.rows(frame) if row.open_time <= now]
    path = tmp_path / "candles.db"

    class Fast(Ill):
        """The exchange's own time is ``now``, whatever our clock says."""

        def view(self, timeframe: Timeframe, to: int, count: int, _: float, illness: Illness) -> list[rxcandles.Row]:
            return super().view(timeframe, to, count, now, illness)

    with at(now + ahead):
        async with SqliteStore(path) as store:
            provider = rxcandles.CandleDataProvider(
                store, Fast(truth, dated=False), rxcandles.SlidingWindowLimiter(None), cursors=1
            )
            candles = await provider.get_candles(SYMBOL, name, count=5)
            (covered,) = await store.coverage(SYMBOL, frame, 0, 10**12)
    forming = frame.floor(now)
    assert covered.stop <= forming
    assert all(candle.open_seconds < forming for candle in candles)
    assert [candle.row for candle in candles] == [row for row in rows if row.open_time < covered.stop][-5:][::-1]


@pytest.mark.parametrize("wrong", [-5 * HOUR, 5 * HOUR])
async def test_our_clock_is_wrong(wrong: int, tmp_path: Path) -> None:
    """Hours ahead or behind: nothing that forms is kept as final, by the server's own time."""
    truth, now = TRUTHS[1.0], NOW - 10 * HOUR

    class Dated(Ill):
        def _page(self, timeframe: Timeframe, to: int, count: int, connection: bool | None) -> rxcandles.Page:
            return rxcandles.Page.before(self.view(timeframe, to, count, now, WELL), to, count, server_time=now)

    path = tmp_path / "candles.db"
    with at(now + wrong):
        await collect(path, Dated(truth), {"count": 50})
    audit = final_audit(path, truth, now)
    assert (audit.wrong, audit.lost, audit.claims) == (0, 0, 0)


async def test_our_clock_is_put_right(tmp_path: Path) -> None:
    """Two hours slow at first, right ten seconds later: an illness of ten seconds makes nothing final."""
    truth, path = TRUTHS[1.0], tmp_path / "candles.db"
    lost = (END - 20 * HOUR, END - 19 * HOUR)

    class Dated(Ill):
        passed = 0

        def _page(self, timeframe: Timeframe, to: int, count: int, connection: bool | None) -> rxcandles.Page:
            now = NOW + self.passed
            return rxcandles.Page.before(self.view(timeframe, to, count, now, self.illness), to, count, server_time=now)

    ill, asked = Dated(truth, Illness(lost=(lost,))), {"to": to_datetime(END), "end": to_datetime(END - DAY)}
    with at(NOW - 2 * HOUR) as clock:
        await collect(path, ill, asked)
        ill.passed, clock.now = 10, NOW + 10
        await collect(path, ill, asked)
        audit = final_audit(path, truth, clock.now)
        assert (audit.false_final, audit.wrong, audit.claims) == (0, 0, 1)
        ill.illness = WELL
        ill.passed, clock.now = 2 * HOUR, NOW + 2 * HOUR
        await collect(path, ill, asked)
        audit = final_audit(path, truth, NOW, END - DAY)
        assert (audit.lost, audit.claims) == (0, 0)


# Several cursors whose answers contradict each other


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("page", [10, 30])
async def test_never_short_without_a_word(mode: str, page: int, tmp_path: Path) -> None:
    """What a later answer has uncovered a list asks for again, and a stream and a summary tell as an error."""
    told = 0
    for seed in range(12):
        truth = Truth(START, 200, 1.0, seed)
        end, ill = START + 200 * MINUTE, Ill(truth, Illness(empty=True), seed=seed, share=0.5)
        ill.page_limit = page
        with at(end + 65):
            async with SqliteStore(tmp_path / f"{seed}.db") as store:
                provider = rxcandles.CandleDataProvider(
                    store, ill, rxcandles.SlidingWindowLimiter(None), retry=AT_ONCE, cursors=4
                )
                asked = {"to": to_datetime(end), "end": to_datetime(START + 30 * MINUTE)}
                try:
                    await MODES[mode](provider, asked)
                except (rxcandles.ExchangeError, IncompleteError):
                    told += 1
                else:
                    held = await store.coverage(SYMBOL, FRAME, START, end)
                    left = SpanSet(((START + 30 * MINUTE, end),))
                    assert not left.subtract(SpanSet(tuple((each.start, each.stop) for each in held))), seed
    assert told < 12


async def test_spans_that_overlap(tmp_path: Path) -> None:
    """A ledger that a foreign hand has left overlapping is read as what it covers together."""
    truth, path = TRUTHS[1.0], tmp_path / "candles.db"
    ill, asked = Ill(truth), {"to": to_datetime(END), "end": to_datetime(END - 1000 * MINUTE)}
    with at(NOW):
        await collect(path, ill, {"to": to_datetime(END), "end": to_datetime(END - 500 * MINUTE)})
        with closing(sqlite3.connect(path)) as file:
            for start in range(END - 490 * MINUTE, END - 300 * MINUTE, 7 * MINUTE):
                file.execute("INSERT INTO coverage VALUES (1, ?, ?, 60)", (start, start + 60 * MINUTE))
            file.commit()
        await collect(path, ill, asked)
        assert final_audit(path, truth, NOW, END - 1000 * MINUTE).uncovered == 0


# Files of before


def before(path: Path, opens: list[int], spans: list[tuple[int, int]]) -> None:
    """Make a file as version 3 of the schema made it."""
    with closing(sqlite3.connect(path)) as database:
        for statements in schema.MIGRATIONS[:3]:
            for statement in statements:
                database.execute(statement)
        database.execute("INSERT INTO series VALUES (1, 'upbit', ?, '1m')", (SYMBOL,))
        slots = ", ".join("?" * len(COLUMNS))
        rows = [(*TRUTHS[1.0].at(opened), *(None,) * 3)[: len(COLUMNS)] for opened in opens]
        database.executemany(f"INSERT INTO candles VALUES (1, {slots})", rows)
        for start, stop in spans:
            count = sum(start <= opened < stop for opened in opens)
            database.execute("INSERT INTO coverage VALUES (1, ?, ?, ?)", (start, stop, count))
        database.execute("PRAGMA user_version = 3")
        database.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        database.commit()


BEFORE: dict[str, tuple[Callable[[int], bool], int]] = {
    "minutes that a replica lacked": (lambda opened: opened % (97 * MINUTE) != 0, 0),
    "two minutes": (lambda opened: opened // MINUTE % 1000 not in (3, 4), 0),
    "all of it": (lambda opened: False, 0),
    "all but what was held": (lambda opened: opened >= END - 3000 * MINUTE, 0),
    "all but the last day": (lambda opened: opened >= END - DAY, 0),
    "an hour": (lambda opened: not END - 5 * HOUR <= opened < END - 4 * HOUR, 0),
    "the newest": (lambda opened: opened < END - 3 * MINUTE, 0),
    "the newest of each page": (lambda opened: (END - opened) // MINUTE % 201 != 200, START),
}


@pytest.mark.parametrize("lost", BEFORE)
async def test_files_of_before(lost: str, tmp_path: Path) -> None:
    """What a file of an older version believes for ever is found by density, head and beginning, and healed."""
    truth, path = TRUTHS[1.0], tmp_path / "candles.db"
    kept, start = BEFORE[lost]
    before(path, [opened for opened in truth.opens if kept(opened)], [(start, END)])
    ill = Ill(truth)
    with at(NOW) as clock:
        async with SqliteStore(path) as store:
            assert await store.claims(SYMBOL, FRAME, 0, 10**12)
        assert final_audit(path, truth, NOW).false_final == 0
        for _ in range(2):
            await collect(path, ill, {"end": to_datetime(START), "to": to_datetime(END)})
            clock.now += 2 * HOUR
        audit = final_audit(path, truth, NOW)
        assert (audit.lost, audit.uncovered, audit.wrong) == (0, 0, 0)
        ill.requests = 0
        await collect(path, ill, {"end": to_datetime(START), "to": to_datetime(END)})
        assert ill.requests == 0


async def test_a_sparse_file_of_before(tmp_path: Path) -> None:
    """Chance gaps of a sparse market are not doubted, nor is anything twice."""
    truth, path = TRUTHS[0.3], tmp_path / "candles.db"
    before(path, truth.opens, [(START, END)])
    async with SqliteStore(path) as store:
        claims = await store.claims(SYMBOL, FRAME, 0, 10**12)
    assert len(claims) <= len(truth.opens) * 0.01 + 2
    assert {claim.kind for claim in claims} <= {"gap", "head"}
    async with SqliteStore(path) as store:
        assert await store.claims(SYMBOL, FRAME, 0, 10**12) == claims


async def test_incomplete_says_what_contradicts_what(tmp_path: Path) -> None:
    """In storage-only mode the rest is collected, and the failed span has the reason."""
    truth = TRUTHS[1.0]
    with at(NOW):
        async with SqliteStore(tmp_path / "candles.db") as store:
            provider = rxcandles.CandleDataProvider(
                store,
                Ill(truth, Illness(keeps=DAY)),
                rxcandles.SlidingWindowLimiter(None),
                retry=rxcandles.operators.Retry(attempts=2, base=0.0, longest=0.0),
            )
            with pytest.raises(IncompleteError, match="says that nothing is older than .*, (and|but)") as caught:
                await provider.collect_candles_only(SYMBOL, "1m", count=3000, to=TO)
    assert 1200 <= caught.value.summary.collected_count <= 1440
    assert "nothing of it is stored" in caught.value.summary.failed_spans[0].reason


def test_upbit_declares_nothing_of_its_own() -> None:
    """The usual confirm times are those of Upbit: two minutes for the head, an hour for gaps and the beginning."""
    from rxcandles.ports.declared import confirm_times

    assert confirm_times(UpbitExchange) == rxcandles.ConfirmTimes(head=120, gap=3600, beginning=3600)
