"""A slot without a candle is an outage where the exchange has candles without trades too: nothing says "no trade"."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import reactivex.operators as rx

import rxcandles
import rxcandles.operators as ops
from rxcandles import Outage, SqliteStore, charts
from rxcandles.__main__ import main
from rxcandles.charts.page import html
from rxcandles.model.absent import ABSENT_WORDS, AbsentSlot
from rxcandles.model.derived import NoCandle, NoTrade
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.stores.cells import coverage_cells
from rxcandles.stores.overview import overview
from tests.support.binance import END, MINUTE, OUTAGE, Memory
from tests.support.toys import Rows

FRAME = Timeframe.of("1m")
AROUND = (OUTAGE[0] - 600, OUTAGE[1] + 600)
LENGTH = (OUTAGE[1] - OUTAGE[0]) // MINUTE


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with an outage, of which another answer has said the same."""
    path = tmp_path_factory.mktemp("outage") / "candles.db"

    async def made() -> None:
        page = await Memory().page("BTCUSDT", FRAME, AROUND[1], 20)
        async with SqliteStore(path, exchange="binance") as store:
            await store.write("BTCUSDT", FRAME, page.rows, AROUND, absent="outage")

    asyncio.run(made())
    return path


async def test_coverage(path: Path):
    """Counted as an outage in the overview and in each cell, and as nothing else."""
    async with SqliteStore(path, exchange="binance") as store:
        [series] = await overview(store)
        assert (series.no_trade, series.outage, series.either, series.missing) == (0, LENGTH, 0, 0)
        cells = await coverage_cells(store, "BTCUSDT", "1m", AROUND, 32)
        assert sum(cell.outage for cell in cells) == LENGTH
        assert {cell.no_trade for cell in cells} == {cell.missing for cell in cells} == {0}
        assert "outage" in cells._repr_html_()
        assert "no trade" not in cells._repr_html_() + (await overview(store))._repr_html_().replace("no trade or", "")


def test_at_the_shell(path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """The strip's legend, the table and the object say outage."""
    monkeypatch.setenv("COLUMNS", "160")
    assert main(["coverage", "--db", str(path)]) == 0
    told = capsys.readouterr().out
    assert f"{LENGTH}" in told
    assert "▂ outage" in told or "o outage" in told
    assert main(["coverage", "--json", "--db", str(path)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["exchange"], found["outage"], found["no_trade"], found["either"]) == ("binance", LENGTH, 0, 0)


async def test_chart(path: Path):
    """So do the page and the picture of a chart, which have a colour for it."""
    async with SqliteStore(path, exchange="binance") as store:
        data = await charts.read_chart(store, "BTCUSDT", "1m")
    assert data.absent == "outage"
    page = html(data)
    assert '<span id="no-trade"><i></i>outage <b></b></span>' in page
    assert '"absent":"outage"' in page
    assert 'data-absent="outage"' in page


async def filled(path: Path, policy: str, **options: AbsentSlot) -> Sequence[object]:
    """What is between the candles beside the outage, by a pipeline over what is stored."""
    request = rxcandles.Request("BTCUSDT", "1m", to=to_datetime(AROUND[1]), end=to_datetime(AROUND[0]))
    found: list[object] = []
    async with SqliteStore(path, exchange="binance") as store:
        lists = ops.plan_chunks(request).pipe(ops.skip_stored(store), ops.persist(store), ops.recall(store))
        gaps: Any = ops.fill_gaps(policy, **options)  # type: ignore[call-overload]
        for piece in await ops.run(lists.pipe(gaps, rx.to_list())):
            found += [each for each in piece if OUTAGE[0] <= each.open_seconds < OUTAGE[1]]
    return found


async def test_fill_gaps(path: Path):
    """Nobody knows a price of then: the gap is left open, or marked as what it is; all is filled if that is wanted."""
    assert await filled(path, "flat") == []
    marks = await filled(path, "null")
    assert [type(each) for each in marks] == [Outage] * LENGTH
    assert all(each.volume is None and each.close is None and not each.traded for each in marks)  # type: ignore[attr-defined]
    assert len(await filled(path, "flat", absent="no_trade")) == LENGTH
    assert {type(each) for each in await filled(path, "null", absent="no_trade")} == {NoTrade}


async def test_fill_gaps_of_any_lists():
    """Lists that don't say where they are from are taken to have had no trade, unless it is said."""
    candles = rxcandles.CandleData.of("X", "1m", [(await Memory().page("BTCUSDT", FRAME, END, 1)).rows[0]])
    [late] = candles
    early = rxcandles.CandleData.of("X", "1m", [late.row._replace(open_time=late.open_seconds - 180)])
    marks: dict[AbsentSlot | None, type] = {None: NoTrade, "no_trade": NoTrade, "outage": Outage, "either": NoCandle}
    for absent, mark in marks.items():
        lists = ops.from_demand([[late], early]).pipe(ops.fill_gaps("null", absent=absent), rx.to_list())  # type: ignore[arg-type]
        found = [each for piece in await ops.run(lists) for each in piece]
        assert [type(each) for each in found[1:-1]] == [mark] * 2


class Silent(Rows):
    """An exchange that leaves open why there is no candle."""

    @staticmethod
    def absent_slot(timeframe: Timeframe) -> AbsentSlot:
        """Either."""
        return "either"


@pytest.mark.parametrize(("kind", "meaning"), [(Silent, "either"), (Rows, "no_trade")])
async def test_others(kind: type[Rows], meaning: AbsentSlot):
    """What an exchange of somebody else's declares is kept with the series, for whoever reads it later."""
    async with rxcandles.connect(":memory:", exchange=kind(0.3)) as provider:  # type: ignore[arg-type]
        await provider.collect_candles_only("TOY", "1m", to=to_datetime(END), end=to_datetime(END - 6000))
        [series] = await overview(provider.repository)
        counts = {"no_trade": series.no_trade, "outage": series.outage, "either": series.either}
        assert counts.pop(meaning) == series.empty > 30
        assert set(counts.values()) == {0}
        assert await provider.repository.absent_slot("TOY", FRAME) == meaning
        data = await charts.read_chart(provider.repository, "TOY", "1m")
        assert ABSENT_WORDS[data.absent] == ABSENT_WORDS[meaning]
