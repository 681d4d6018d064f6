"""What ``follow`` prints: a line for each candle on stdout, a line for each change of a state on stderr."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from rxcandles.cli import outputs
from rxcandles.cli.console import format_candles
from rxcandles.cli.following import Key
from rxcandles.cli.objects import text
from rxcandles.cli.text import counted, echo
from rxcandles.cli.times import at_home, span_shown, time_shown
from rxcandles.model import CandleData
from rxcandles.model.updates import LostUpdate, RevisedUpdate, StateUpdate, Update

__all__ = ["Lines", "Notes", "Pen", "object_of"]

MOST: Final = 1000
"""Lines that wait to be written before updates wait too."""
SETTLES: Final = 0.5
"""Seconds in which states may change before they are printed."""
NAMED: Final = 3
"""Most markets that one line names."""


def object_of(exchange: str, update: Update) -> str:
    """Return an update as a line of JSON."""
    return text("follow", {"exchange": exchange, **update.to_dict()}, stopped=False)


class Pen:
    """Writes lines to stdout in a thread of its own: while the reader of a pipe is slow, following goes on.

    ``broken`` is called once, if stdout can't be written to any more.
    """

    def __init__(self, broken: Callable[[], object]) -> None:
        self._broken = broken
        self._lines: list[str] = []
        self._writing: asyncio.Task[None] | None = None

    async def put(self, lines: Iterable[str]) -> None:
        """Write lines soon; wait while very many are waiting."""
        self._lines += lines
        if self._lines and (self._writing is None or self._writing.done()):
            self._writing = asyncio.create_task(self._write())
        if self._writing is not None and len(self._lines) >= MOST:
            await asyncio.wait([self._writing])

    async def finish(self) -> None:
        """Return when everything is written."""
        while self._writing is not None and not self._writing.done():
            await asyncio.wait([self._writing])

    async def _write(self) -> None:
        while self._lines:
            lines, self._lines = self._lines, []
            await asyncio.to_thread(echo, *lines)
            if outputs.fault() is not None:
                self._broken()
                return


class Lines:
    """Candles as lines of a table, of CSV or of JSON, each as it comes.

    In a table each line begins with its market, if there are several. If the timeframes differ, each line of CSV and
    JSON ends with its timeframe. If forming or provisional candles are among them, it ends with what it is.
    """

    def __init__(self, style: str, *, kinds: bool) -> None:
        self._style = style
        self._kinds = kinds
        self._markets: list[str] = []
        self._several_timeframes = False
        self._begun = False

    def expect(self, markets: Iterable[str], timeframes: Iterable[str]) -> None:
        """Say which markets and timeframes there are from now on."""
        self._markets = [*dict.fromkeys(markets)]
        several = len({*timeframes}) > 1
        if several != self._several_timeframes:
            self._several_timeframes, self._begun = several, False  # another header

    def of(self, update: Update) -> list[str]:
        """Return the lines of an update; none if it is not a candle."""
        if self._style == "none" or update.kind not in ("candle", "forming", "closed"):
            return []
        header, self._begun = not self._begun, True
        lines = [*format_candles([update.candle], self._style, header=header)]
        more = {"timeframe": update.timeframe} if self._several_timeframes else {}
        if self._kinds:
            more["kind"] = update.kind
        named = [*[""] * (len(lines) - 1), update.symbol]
        return [self._line(line, name, more) for line, name in zip(lines, named, strict=True)]

    def _line(self, line: str, symbol: str, more: Mapping[str, str]) -> str:
        if self._style == "jsonl":
            return line[:-1] + "".join(f', "{name}": "{value}"' for name, value in more.items()) + "}"
        if self._style == "csv":
            return ",".join([line, *(more.values() if symbol else more)])
        if len(self._markets) > 1:
            line = f"{symbol:<{max(map(len, self._markets))}} {line}"
        return " ".join([line, *(each for name, each in more.items() if symbol and each != "candle")])


class Notes:
    """States as lines on stderr: only changes, and markets of which the same is said share a line.

    ``troubles``: only what is not well is said.
    """

    def __init__(self, *, troubles: bool) -> None:
        self._troubles = troubles
        self._said: dict[Key, tuple[str, str]] = {}
        self._new: dict[Key, tuple[str, str]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def tell(self, update: Update) -> None:
        """Say a change of a state soon; say at once what was revised, or is lost."""
        if isinstance(update, StateUpdate):
            self._new[update.symbol, update.timeframe] = (update.state, update.reason)
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(SETTLES, self.flush)
        elif isinstance(update, RevisedUpdate):
            self.flush()
            echo(_revised(update), err=True)
        elif isinstance(update, LostUpdate):
            self.flush()
            span, why = span_shown(update.start, update.stop), f": {update.reason}" if update.reason else ""
            echo(at_home(f"{update.symbol} {update.timeframe}: can't be had, {span}{why}"), err=True)

    def close(self) -> None:
        """Say what is left to say: at the end only what is not well."""
        self._troubles = True
        self.flush()

    def flush(self) -> None:
        """Say everything that has changed until now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        groups: dict[tuple[str, str, str], list[str]] = {}
        for (symbol, timeframe), state in self._new.items():
            before = self._said.get((symbol, timeframe))
            again = before is not None and state[0] == "catching_up" and not state[1]  # only its feed is another one
            if state == before or again:
                continue
            self._said[symbol, timeframe] = state
            if not self._troubles or state[0] in ("stalled", "refused") or state[1]:
                groups.setdefault((timeframe, *state), []).append(symbol)
        self._new = {}
        for (timeframe, word, reason), symbols in groups.items():
            more = len(symbols) - NAMED
            who = ", ".join(symbols[:NAMED]) + (f" and {more:,} more" if more > 0 else "")
            why = f": {reason}" if reason else ""
            echo(at_home(f"{who} {timeframe}: {word.replace('_', ' ')}{why}"), err=True)


def _revised(update: RevisedUpdate) -> str:
    what = "it is not there any more" if update.candle is None else f"now {_prices(update.candle)}"
    was = "" if update.before is None else f", was {_prices(update.before)}"
    at = time_shown(update.open_time, "%Y-%m-%d %H:%M")
    return f"{update.symbol} {update.timeframe}: the exchange has changed the candle of {at}: {what}{was}"


def _prices(candle: CandleData) -> str:
    prices = "/".join(f"{each:,.10g}" for each in (candle.open, candle.high, candle.low, candle.close))
    return f"{prices} volume {candle.volume:,.10g}"


def stored_text(candles: int, db: str) -> str:
    """Return the last words of a command that a signal has ended."""
    return f"stopped: {counted(candles, 'candle')} given; everything collected is in {db}, and the next run goes on"
