"""The display of ``follow`` on a terminal, and the page that ``--serve`` serves."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path
from urllib.request import urlopen

import pytest
from rich.console import Console

from rxcandles.__main__ import main
from rxcandles.cli.follow_board import FollowBoard, Line, board_table
from rxcandles.cli.following import Following
from rxcandles.cli.watched import Watching
from rxcandles.live.stats import MarketStats
from rxcandles.model import CandleData
from rxcandles.model.timeframe import to_datetime
from rxcandles.model.updates import CandleUpdate, FollowState, FormingUpdate, StateUpdate
from rxcandles.modes.connect import connect
from tests.support.ownprocess import SIMULATED


def candle(opened: int, close: float) -> CandleData:
    return CandleData("KRW-BTC", "1m", opened, 5.0, 9.0, 1.0, close, 1.0, 5.0, opened * 1000)


def drawn(lines: list[Line], rows: int) -> list[str]:
    console = Console(file=StringIO(), width=120, color_system=None)
    console.print(board_table(lines, rows))
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return [line.rstrip() for line in text.splitlines()]


def test_a_line_a_market() -> None:
    """A line has the last price, the forming bar, how long ago the market was heard of, its state and the reason."""
    board = FollowBoard(lambda: {("KRW-BTC", "1m"): MarketStats("KRW-BTC", "live", "", 4.0, 4.0, 7.5)})
    board.expect([("KRW-BTC", "1m"), ("KRW-ETH", "1m")], [None, candle(0, 2.5)])
    assert drawn(board.lines(), 9)[1].split() == ["KRW-BTC", "1m", "7.5", "4", "s", "ago", "catching", "up"]
    board.tell(StateUpdate("KRW-BTC", "1m", "live"))
    board.tell(FormingUpdate("KRW-BTC", "1m", candle(60, 8.0)))
    board.tell(StateUpdate("KRW-ETH", "1m", "stalled", "503: ill"))
    board.tell(StateUpdate("KRW-OTHER", "1m", "live"))
    _, ether, bitcoin = drawn(board.lines(), 9)
    assert bitcoin.split() == ["KRW-BTC", "1m", "8", "5", "9", "1", "8", "4", "s", "ago", "live"]
    assert ether.split() == ["KRW-ETH", "1m", "2.5", "stalled:", "503:", "ill"]
    board.tell(CandleUpdate("KRW-BTC", "1m", candle(60, 8.5), to_datetime(120)))
    assert drawn(board.lines(), 9)[2].split()[:4] == ["KRW-BTC", "1m", "8.5", "4"]


def test_trouble_first() -> None:
    """Markets that need a look are above the others, so they are never among those that do not fit."""
    board = FollowBoard(dict)
    states: tuple[FollowState, ...] = ("live", "polling", "stalled", "live", "refused", "catching_up")
    board.expect([(f"KRW-{number}", "1m") for number in range(6)], [None] * 6)
    for number, state in enumerate(states):
        board.tell(StateUpdate(f"KRW-{number}", "1m", state))
    assert [line.symbol[-1] for line in board.lines()] == ["4", "2", "5", "1", "0", "3"]


def test_nothing_of_it_in_a_pipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is drawn on a terminal alone: a pipe, and a terminal that can't draw in place, get candles."""
    monkeypatch.chdir(tmp_path)
    drawn: list[bool] = []

    @asynccontextmanager
    async def shown(self: FollowBoard, *, no_color: bool) -> AsyncIterator[None]:
        drawn.append(no_color)
        yield

    async def run(self: Following) -> None:
        while self.given[("KRW-BTC", "1m"), "candle"] < 2:
            await asyncio.sleep(0)

    monkeypatch.setattr(FollowBoard, "shown", shown)
    monkeypatch.setattr(Following, "run", run)  # an option that says when to end would itself ask for candles
    words = ["follow", "KRW-BTC", "1m", "--since", "2", "--no-color", *SIMULATED]
    assert main(words) == 0
    candles = capsys.readouterr().out
    assert "open time" in candles
    assert "\x1b" not in candles
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    assert main(words) == 0
    assert "open time" in capsys.readouterr().out
    assert drawn == []
    monkeypatch.setenv("TERM", "xterm")
    assert main(words) == 0
    assert capsys.readouterr().out == ""
    assert drawn == [True]


def test_more_markets_than_lines() -> None:
    """What does not fit is counted."""
    lines = [Line(f"KRW-{number}", "1m") for number in range(30)]
    assert len(drawn(lines, 10)) == 12
    assert drawn(lines, 10)[-1] == "… and 20 more"


def test_a_page_beside_the_feed() -> None:
    """``--serve`` serves the page of the feed that runs."""

    async def main() -> None:
        async with connect(":memory:", "simulated") as provider, provider.follow("KRW-BTC", "1m", 2) as feed:
            assert (await anext(feed)).symbol == "KRW-BTC"
            async with Watching(serve=0).serving(feed, provider.repository, quiet=True) as url:
                page = await asyncio.to_thread(lambda: urlopen(url).read().decode())
                assert "KRW-BTC" in page or "EventSource" in page

    asyncio.run(main())
