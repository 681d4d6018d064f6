"""One vocabulary of time at every door: in any form, and whichever function takes it, a time is one instant."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas
import pytest
import reactivex as rx

import rxcandles
from rxcandles import CandleDataProvider, Request, SqliteStore, charts, operators
from rxcandles.errors import RequestError
from rxcandles.model.moments import KST
from rxcandles.model.timeframe import to_datetime
from rxcandles.ports import Market
from tests.support.fakes import NEWEST, FakeExchange, slots

START = datetime(2023, 11, 13, 15, tzinfo=UTC)
"""Midnight of the 14th in Korea."""
STOP = START + timedelta(minutes=3)
TIMES = slots(2000)
WANTED = [int(START.timestamp()) + 60 * each for each in range(3)]
SEOUL = "Asia/Seoul"
ONE: tuple[Any, ...] = ("KRW-BTC", "1m")

Door = Callable[[rxcandles.SyncProvider, Any, Any], Any]


def naive(moment: datetime) -> datetime:
    return moment.astimezone(KST).replace(tzinfo=None)


FORMS: dict[str, Callable[[datetime], Any]] = {
    "aware": lambda each: each,
    "naive": naive,
    "text": lambda each: f"{naive(each):%Y-%m-%d %H:%M}",
    "text with a zone": lambda each: f"{each:%Y-%m-%d %H:%M} UTC",
    "Timestamp": lambda each: pandas.Timestamp(naive(each)),
    "date": lambda each: naive(each).date() if each == START else naive(each),
}


async def several(made: Any) -> list[Any]:
    return [each for chunk in [some async for some in made] for each in chunk]


def request(asked: Request) -> list[int]:
    assert asked.start is not None
    return list(range(asked.start, asked.stop, 60))


def spans(start: float, stop: float) -> list[int]:
    return list(range(int(start), int(stop), 60))


def exported(c: rxcandles.SyncProvider, start: Any, stop: Any) -> list[int]:
    path = Path(c.provider.repository.path).with_name("out.jsonl")
    c.run(rxcandles.export_candles(c.provider.repository, *ONE, path, since=start, to=stop, force=True))
    times = [json.loads(line)["candle_date_time_utc"] for line in path.read_text().splitlines()]
    return [int(datetime.fromisoformat(each + "Z").timestamp()) for each in times]


def overview(c: rxcandles.SyncProvider, start: Any, stop: Any) -> list[int]:
    [found] = c.run(rxcandles.overview(c.provider.repository, since=start, to=stop))
    return spans(found.start.timestamp(), found.stop.timestamp())


def chart(c: rxcandles.SyncProvider, start: Any, stop: Any) -> list[int]:
    data = c.run(charts.read_chart(c.provider.repository, *ONE, start, stop))
    return [data.open_time(each) for each in data.slot]


def collected(summary: rxcandles.CollectionSummary) -> list[int]:
    return spans(*(each.timestamp() for each in summary.time_range))


def between(c: rxcandles.SyncProvider, start: Any, stop: Any) -> list[Any]:
    candles = list(c.repository.stored_candles(*ONE))
    found: list[Any] = []
    rx.of(candles).pipe(operators.between(start, stop, order="oldest_first", tz=SEOUL)).subscribe(found.extend)
    return found


def given(updates: Iterable[rxcandles.Update]) -> list[rxcandles.CandleData]:
    """Return the candles of a feed."""
    return [each.candle for each in updates if each.kind == "candle"]


async def followed(candles: rxcandles.SyncProvider, a: Any, b: Any) -> list[rxcandles.CandleData]:
    """Follow without a provider's synchronous twin."""
    return given([each async for each in candles.provider.follow(*ONE, since=a, until=b)])


async def observed(candles: rxcandles.SyncProvider, a: Any, b: Any) -> list[rxcandles.CandleData]:
    """Observe a feed that begins an hour earlier."""
    async with candles.provider.follow(*ONE, since=START - timedelta(hours=1), until=b) as feed:
        return given([each async for each in feed.observe(a)])


DOORS: dict[str, Door] = {
    "Request": lambda c, a, b: request(Request(*ONE, to=b, end=a, tz=SEOUL)),
    "Request since": lambda c, a, b: request(Request(*ONE, since=a, until=b, tz=SEOUL)),
    "CandleDataProvider.request": lambda c, a, b: request(c.provider.request(*ONE, since=a, until=b)),
    "CandleCollector.request": lambda c, a, b: request(c.provider.collector.request(*ONE, None, b, a)),
    "SyncProvider.request": lambda c, a, b: request(c.request(*ONE, to=b, end=a)),
    "SyncProvider.get_candles": lambda c, a, b: c.get_candles(*ONE, to=b, end=a),
    "SyncProvider.get_candles since": lambda c, a, b: c.get_candles(*ONE, since=a, until=b),
    "CandleDataProvider.get_candles": lambda c, a, b: c.run(c.provider.get_candles(*ONE, since=a, until=b)),
    "SyncProvider.stream_candles": lambda c, a, b: [
        each for chunk, _ in c.stream_candles(*ONE, since=a, until=b) for each in chunk
    ],
    "CandleDataProvider.stream_candles": lambda c, a, b: [
        each for chunk, _ in c.stream_candles(*ONE, to=b, end=a) for each in chunk
    ],
    "SyncProvider.follow": lambda c, a, b: given(c.follow(*ONE, since=a, until=b)),
    "CandleDataProvider.follow": lambda c, a, b: c.run(followed(c, a, b)),
    "Feed.observe": lambda c, a, b: c.run(observed(c, a, b)),
    "SyncProvider.collect_candles_only": lambda c, a, b: collected(c.collect_candles_only(*ONE, since=a, until=b)),
    "CandleDataProvider.collect_candles_only": lambda c, a, b: collected(
        c.run(c.provider.collect_candles_only(*ONE, to=b, end=a))
    ),
    "CandleCollector.collect_candles_only": lambda c, a, b: collected(
        c.run(c.provider.collector.collect_candles_only(*ONE, since=a, until=b))
    ),
    "CandleCollector.collect_only": lambda c, a, b: collected(
        c.run(c.provider.collector.collect_only(*ONE, end=a, to=b))
    ),
    "SyncRepository.get_candles_by_range": lambda c, a, b: c.repository.get_candles_by_range(*ONE, a, b),
    "SyncRepository.stored_candles": lambda c, a, b: c.repository.stored_candles(*ONE, a, b),
    "SqliteStore.get_candles_by_range": lambda c, a, b: c.run(
        c.provider.repository.get_candles_by_range(*ONE, other_end=a, one_end=b)
    ),
    "SqliteStore.pages": lambda c, a, b: c.run(several(c.provider.repository.pages(*ONE, a, b))),
    "CandleStore with imported": lambda c, a, b: c.run(
        c.provider.repository.with_imported().get_candles_by_range(*ONE, a, b)
    ),
    "stored_candles": lambda c, a, b: rxcandles.stored_candles(c.provider.repository, *ONE, a, b),
    "overview": overview,
    "export_candles": exported,
    "read_chart": chart,
    "between": between,
}
"""Every public function that takes times, with two of them, on a provider opened with ``tz``."""

ELSEWHERE = {"get_ohlcv", "repair", "CandleStore.get_candles_by_range", "CandleStore.pages"}
"""Those that open a file themselves (tested where they are), and the protocol that ``SqliteStore`` is one of."""


@pytest.fixture(scope="module")
def candles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[rxcandles.SyncProvider]:
    path = tmp_path_factory.mktemp("vocabulary") / "candles.db"
    with rxcandles.open(path, exchange=FakeExchange(TIMES), tz=SEOUL) as opened:
        opened.collect_candles_only(*ONE, end=to_datetime(TIMES[0]), to=to_datetime(NEWEST + 60))
        yield opened


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("door", DOORS)
def test_one_time_is_one_instant(candles: rxcandles.SyncProvider, door: str, form: str) -> None:
    """A provider opened in Seoul gives the same three minutes at every door, however their ends are written."""
    found = DOORS[door](candles, FORMS[form](START), FORMS[form](STOP))
    assert sorted(each if isinstance(each, int) else each.open_seconds for each in found) == WANTED


def test_no_door_is_forgotten() -> None:
    """Each public function that takes a time is in the table, and none takes a datetime alone."""
    found, narrow = set(), set()
    rooms = [(name, getattr(rxcandles, name)) for name in rxcandles.api.__all__]
    rooms += [(name, getattr(room, name)) for room in (operators, charts) for name in room.__all__]
    for name, thing in rooms:
        # What both stores have from their common base is looked at once, as SqliteStore's.
        every = inspect.getmembers_static(thing) if name == "SqliteStore" else getattr(thing, "__dict__", {}).items()
        for part, function in every if inspect.isclass(thing) else [("", thing)]:
            function = getattr(function, "__func__", function)
            if not inspect.isfunction(function) or (part.startswith("_") and (name, part) != ("Request", "__init__")):
                continue
            door = name if part in ("", "__init__") else f"{name}.{part}"
            kinds = [str(each) for key, each in function.__annotations__.items() if key != "return"]
            if any(each.startswith(("Time", "bool | tuple[Time")) and not each.startswith("Timef") for each in kinds):
                found.add(door)
            if any(each.startswith("datetime") for each in kinds):
                narrow.add(door)
    assert not narrow
    assert found == {each for each in DOORS if " " not in each} | ELSEWHERE


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"to": START, "since": STOP}, "to=.* and since=.* are given together; give to and end, or since, last or"),
        ({"end": START, "last": "3d"}, "end=.* and last='3d' are given together"),
        ({"end": START, "until": STOP}, "end=.* and until=.* are given together"),
        ({"since": START, "last": "3d"}, "since=.* and last='3d' are given together; give one of since, last and"),
        ({"since": START, "count": 3}, "since=.* and count=3 are given together"),
        ({"until": STOP}, "nothing says how far back to go, and until, .*, is only the newer end"),
        ({"last": "3"}, "last is '3'; write a number and a unit.*3d are days, count=3 candles"),
        ({"last": "3m", "timeframe": "60m"}, "last is '3m'; .*3m are minutes, write 3M for months"),
        ({"since": STOP, "until": START}, "since is .*; that is not before until"),
        ({"to": "2024/01/01", "count": 1}, "to is '2024/01/01'; .*did you mean '2024-01-01'"),
        ({"to": "2024-01-01 09:00 XST", "count": 1}, "the zone of to is 'XST'; give a zone"),
        ({"count": 0, "until": STOP}, "count is 0"),
    ],
)
def test_mixtures_are_refused(candles: rxcandles.SyncProvider, asked: dict[str, Any], says: str) -> None:
    """The same words at each mode, before anything is sent."""
    exchange: Any = candles.provider.exchange
    before, named = len(exchange.asked), {"symbol": "KRW-BTC", "timeframe": "1m", **asked}
    for mode in (candles.request, candles.get_candles, candles.stream_candles, candles.collect_candles_only):
        with pytest.raises(RequestError, match=says):
            mode(**named)
    assert len(exchange.asked) == before


def test_last_and_count(candles: rxcandles.SyncProvider) -> None:
    """``last`` counts back from ``until``, and so does ``count``; months are those of the zone's calendar."""
    assert [each.open_seconds for each in candles.get_candles(*ONE, last="3m", until=STOP)] == WANTED[::-1]
    assert [each.open_seconds for each in candles.get_candles(*ONE, 3, until=STOP)] == WANTED[::-1]
    month = candles.request("KRW-BTC", "1d", last="1M", until=date(2023, 5, 1))
    assert (to_datetime(month.start or 0), to_datetime(month.stop)) == (
        datetime(2023, 4, 1, tzinfo=UTC),
        datetime(2023, 5, 1, tzinfo=UTC),
    )


def test_the_environment_is_read_where_no_zone_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """``RXCANDLES_TZ`` is the zone of a request alone, too; without it UTC."""
    monkeypatch.setenv("RXCANDLES_TZ", "KST")
    assert Request(*ONE, to=naive(STOP), end=naive(START)).start == WANTED[0]
    monkeypatch.delenv("RXCANDLES_TZ")
    assert Request(*ONE, to=naive(STOP), end=naive(START)).start == WANTED[0] + 9 * 3600


def test_parts_agree(tmp_path: Path) -> None:
    """A provider made of parts reads times as its store does; two zones are refused, one is both's."""

    async def made() -> None:
        exchange, limiter = FakeExchange(TIMES), rxcandles.SlidingWindowLimiter(None)
        store = SqliteStore(tmp_path / "a.db", tz=SEOUL)
        with pytest.raises(RequestError, match="tz is 'UTC'; the store's is Asia/Seoul"):
            CandleDataProvider(store, exchange, limiter, tz="UTC")
        assert CandleDataProvider(store, exchange, limiter).request(*ONE, 1, naive(STOP)).stop == WANTED[-1] + 60
        other = SqliteStore(tmp_path / "b.db")
        CandleDataProvider(other, exchange, limiter, tz="KST")
        assert other.tz == KST

    asyncio.run(made())


async def test_an_import_is_in_the_zone_of_the_store(tmp_path: Path) -> None:
    """Naive times of a file, too, unless the file says another zone, or ``tz`` does."""
    rows = [[f"{naive(to_datetime(each)):%Y-%m-%d %H:%M}", 1, 2, 1, 2, 5] for each in WANTED]
    columns = ["time", "open", "high", "low", "close", "volume"]
    async with SqliteStore(tmp_path / "a.db", tz=SEOUL) as store:
        report = await rxcandles.import_candles(store, *ONE, pandas.DataFrame(rows, columns=columns))
        assert report.zone == SEOUL
        held = await store.imported("KRW-BTC", rxcandles.Timeframe.of("1m"), 0, NEWEST, "oldest_first", 10)
        assert [each.open_time for each in held] == WANTED
        utc = pandas.DataFrame(rows, columns=["candle_date_time_utc", *columns[1:]])
        assert (await rxcandles.import_candles(store, "KRW-ETH", "1m", utc)).zone == "UTC"


class Listing(FakeExchange):
    """One that lists some markets, of which one can't be asked for."""

    def check(self, symbol: str, timeframe: Any) -> None:
        if symbol == "KRW-ODD":
            raise RequestError("symbol is 'KRW-ODD'; no")

    async def markets(self) -> list[Market]:
        return [Market(each) for each in ("KRW-BTC", "KRW-ODD", "BTC-ETH", "KRW-ETH")]


def test_a_glob_in_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """``get_ohlcv`` takes globs: what the exchange lists of them, each once; what can't be asked for is said."""

    def get(symbol: Any) -> pandas.DataFrame:
        return rxcandles.get_ohlcv(symbol, "1m", count=3, until=STOP, db=tmp_path / "a.db", exchange=Listing(TIMES))

    assert list(get("KRW-*").columns.levels[0]) == ["KRW-BTC", "KRW-ETH"]
    assert "listed, and left out: symbol is 'KRW-ODD'" in caplog.text
    assert list(dict.fromkeys(get(["BTC-ETH", "*-BTC", "KRW-B*"]).columns.get_level_values(0))) == [
        "BTC-ETH",
        "KRW-BTC",
    ]
    assert len(get("*-BTC")["KRW-BTC"]) == 3
    with pytest.raises(RequestError, match=r"no market matches 'XXX-\*'; the exchange has 4"):
        get("XXX-*")
    with pytest.raises(RequestError, match="can be asked for: listed, and left out"):
        get("KRW-O*")
