"""The display of ``follow`` on a terminal: a line for each market, drawn again in place."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import attrs
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rxcandles.cli.following import Key
from rxcandles.cli.terminal import Terminal
from rxcandles.live.stats import MarketStats
from rxcandles.model import CandleData
from rxcandles.model.updates import FollowState, Update
from rxcandles.util.stopping import STOPPING

__all__ = ["FollowBoard", "Line", "board_table"]

_EVERY = 0.5
"""Seconds between two drawings."""
_STATES = {"live": "green", "polling": "green", "catching_up": "yellow", "stalled": "red", "refused": "red"}
_TROUBLE_FIRST: Final[tuple[FollowState, ...]] = ("refused", "stalled", "catching_up", "polling", "live")
_SHOW_CURSOR = b"\x1b[?25h"
_REASON = 24
"""Characters of a reason; the log has all of it."""
_AROUND = 4
"""Lines of a terminal that are not a market's: the heading, its rule, what is left out, and the prompt."""


@attrs.define
class Line:
    """What is shown of one market."""

    symbol: str
    timeframe: str
    state: FollowState = "catching_up"
    reason: str = ""
    closed: CandleData | None = None
    """The newest closed candle."""
    forming: CandleData | None = None
    last: float | None = None
    """The close of a candle before that."""
    lag: float | None = None
    """Seconds since the time until which the exchange was heard."""

    @property
    def price(self) -> float | None:
        """The newest price that is known."""
        newest = self.forming or self.closed
        return self.last if newest is None else newest.close


def board_table(lines: Sequence[Line], rows: int) -> Table:
    """Return the table of at most ``rows`` markets; the last line says how many more there are."""
    table = Table(box=None, pad_edge=False, expand=False)
    for name in ("market", "last price", "forming: open", "high", "low", "close", "heard", "state"):
        table.add_column(name, justify="left" if name in ("market", "state") else "right", no_wrap=True)
    for each in lines[:rows]:
        forming = each.forming
        bar = [""] * 4 if forming is None else [_number(value) for value in (forming.open, forming.high, forming.low)]
        bar = bar if forming is None else [*bar, _number(forming.close)]
        reason = each.reason if len(each.reason) <= _REASON else f"{each.reason[:_REASON]}…"
        state = each.state.replace("_", " ") + (f": {reason}" if reason else "")
        table.add_row(
            f"{each.symbol} {each.timeframe}",
            "" if each.price is None else _number(each.price),
            *(Text(value, style="dim") for value in bar),
            "" if each.lag is None else f"{_lasting(each.lag)} ago",
            Text(state, style=_STATES.get(each.state, "")),
        )
    if len(lines) > rows:
        table.add_row(f"… and {len(lines) - rows:,} more")
    return table


class FollowBoard:
    """What was told of each market last, and the picture of it; ``stats`` returns the numbers of each."""

    def __init__(self, stats: Callable[[], Mapping[Key, MarketStats]]) -> None:
        self._stats = stats
        self._lines: dict[Key, Line] = {}

    def expect(self, keys: Sequence[Key], newest: Sequence[CandleData | None]) -> None:
        """Show these markets from now on, and no others; ``newest`` are their newest stored candles."""
        before = self._lines
        self._lines = {
            key: before.get(key) or Line(*key, closed=candle) for key, candle in zip(keys, newest, strict=True)
        }

    def tell(self, update: Update) -> None:
        """Take one update in."""
        line = self._lines.get((update.symbol, update.timeframe))
        if line is None:
            return
        if update.kind == "candle":
            line.closed = update.candle
            if line.forming is not None and line.forming.open_seconds <= update.candle.open_seconds:
                line.forming = None
        elif update.kind == "forming":
            line.forming = update.candle
        elif update.kind == "state":
            line.state, line.reason = update.state, update.reason

    def lines(self) -> list[Line]:
        """Return all lines as they are now: markets with trouble first, and those of one state as given."""
        stats = self._stats()
        for key, line in self._lines.items():
            if (now := stats.get(key)) is not None:
                line.lag, line.last = now.heard_lag, now.last_price
        return sorted(self._lines.values(), key=lambda line: _TROUBLE_FIRST.index(line.state))

    @asynccontextmanager
    async def shown(self, *, no_color: bool) -> AsyncIterator[None]:
        """Draw on stdout while the block runs; the last picture stays."""
        console = Terminal(no_color=no_color)

        def picture() -> Table:
            return board_table(self.lines(), max(1, console.height - _AROUND))

        async def draw() -> None:
            while True:
                live.update(picture(), refresh=True)
                await asyncio.sleep(_EVERY)

        STOPPING.before_leaving(partial(os.write, 1, _SHOW_CURSOR))
        with Live(picture(), console=console, auto_refresh=False) as live:
            drawing = asyncio.create_task(draw(), name="board")
            try:
                yield
            finally:
                drawing.cancel()
                await asyncio.wait([drawing])
                live.update(picture(), refresh=True)


def _number(value: float) -> str:
    return f"{value:,.10g}"


def _lasting(seconds: float) -> str:
    whole = max(0, round(seconds))
    if whole < 120:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 7200 else f"{whole // 3600} h"
