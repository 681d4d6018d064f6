"""What must hold of a feed, whatever the exchange and its stream did: the promises F1 to F6, held against the truth."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from rxcandles.model import CandleData, Row
from rxcandles.model.updates import (
    CandleUpdate,
    ClosedUpdate,
    FormingUpdate,
    ProgressUpdate,
    RevisedUpdate,
    StateUpdate,
    Update,
)
from rxcandles.ports import CandleStore
from tests.support.world import MINUTE, World

__all__ = ["Reader", "Verdict", "check_store"]


@attrs.define
class Verdict:
    """What went wrong, counted."""

    lost: int = 0
    doubled: int = 0
    forming: int = 0
    """Forming candles that were given as closed."""
    beyond: int = 0
    """Slots that count as proven and are not so in truth."""
    silent: float = 0.0
    """The longest time without a word about a market."""
    notes: list[str] = attrs.field(factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing went wrong."""
        return not (self.lost or self.doubled or self.forming or self.beyond or self.notes)


@attrs.define(eq=False)
class Reader:
    """One reader: everything that it was given, and the candles as it believes them to be."""

    world: World
    verdict: Verdict = attrs.field(factory=Verdict)
    candles: dict[str, dict[int, Row]] = attrs.field(factory=dict)
    proven: dict[str, int] = attrs.field(factory=dict)
    heard: dict[str, float] = attrs.field(factory=dict)
    told: list[tuple[float, str, str, str]] = attrs.field(factory=list)
    """When which market went how, and why."""
    revisions: int = 0
    given: int = 0
    begun: int = 0
    """Where its present feed has begun."""

    def take(self, update: Update) -> None:
        """Take one update in, and note what it breaks."""
        now, symbol = self.world.now, update.symbol
        rows = self.candles.setdefault(symbol, {})
        if symbol in self.heard and not isinstance(update, FormingUpdate):
            self.verdict.silent = max(self.verdict.silent, now - self.heard[symbol])
        if isinstance(update, CandleUpdate):
            self._candle(update.candle, rows, now)
        elif isinstance(update, RevisedUpdate):
            self._revised(update, rows)
        elif isinstance(update, ProgressUpdate):
            until = int(update.proven_until.timestamp())
            self._proven(symbol, until, now)
        elif isinstance(update, FormingUpdate):
            if update.candle.open_seconds in rows:
                self.verdict.notes.append(f"{symbol}: forming after it was closed")
            return
        elif isinstance(update, ClosedUpdate):
            if update.candle.open_seconds + 60 > now:
                self.verdict.notes.append(f"{symbol}: closed by {update.why} before its end")
            if update.candle.open_seconds in rows:
                self.verdict.notes.append(f"{symbol}: closed by the stream after it was known")
        elif isinstance(update, StateUpdate):
            self.told.append((now, symbol, update.state, update.reason))
        self.heard[symbol] = now

    async def look_up(self, store: CandleStore, stop: int) -> None:
        """Read candles before ``stop`` from the store, as what changes while nobody reads is told to nobody."""
        for symbol, rows in self.candles.items():
            stored = await store.rows(symbol, MINUTE, 0, stop, "oldest_first", 10_000_000)
            rows |= {row.open_time: row for row in stored if row.open_time in rows}

    def again(self, update: Update) -> None:
        """Take in what a feed that began anew repeats: the values may have changed meanwhile."""
        self.heard[update.symbol] = self.world.now
        if isinstance(update, CandleUpdate):
            self.candles[update.symbol][update.candle.open_seconds] = update.candle.row

    def _candle(self, candle: CandleData, rows: dict[int, Row], now: float) -> None:
        self.given += 1
        opened = candle.open_seconds
        if opened in rows:
            self.verdict.doubled += 1
        elif rows and opened < max(rows):
            self.verdict.notes.append(f"{candle.symbol}: {opened} after {max(rows)}")
        if opened + 60 > now:
            self.verdict.forming += 1
        rows[opened] = candle.row
        self._proven(candle.symbol, opened + 60, now)

    def _revised(self, update: RevisedUpdate, rows: dict[int, Row]) -> None:
        self.revisions += 1
        opened = int(update.open_time.timestamp())
        was = None if update.before is None else update.before.row
        # What changed while nobody read is told with the value that was stored then.
        if opened >= self.begun and rows.get(opened) != was:
            self.verdict.notes.append(f"{update.symbol}: revised {opened} from {was}, which was {rows.get(opened)}")
        if update.candle is None:
            rows.pop(opened, None)
        else:
            rows[opened] = update.candle.row

    def _proven(self, symbol: str, until: int, now: float) -> None:
        if until > now:
            self.verdict.beyond += 1
        if until < self.proven.get(symbol, 0):
            self.verdict.notes.append(f"{symbol}: proven went back to {until}")
        self.proven[symbol] = max(until, self.proven.get(symbol, 0))

    def compare(self, symbol: str, start: int, stop: int) -> None:
        """Hold what it was given against the truth of ``[start, stop)``."""
        truth = {row.open_time: row for row in self.world.rows(symbol, start, stop, self.world.now)}
        mine = {opened: row for opened, row in self.candles.get(symbol, {}).items() if start <= opened < stop}
        missing, wrong = (
            truth.keys() - mine.keys(),
            [each for each in truth.keys() & mine.keys() if truth[each] != mine[each]],
        )
        self.verdict.lost += len(missing)
        self.verdict.notes += [f"{symbol}: {each - start} s lacks" for each in sorted(missing)[:3]]
        self.verdict.notes += [f"{symbol}: {each - start} s has other values" for each in wrong[:3]]
        self.verdict.notes += [
            f"{symbol}: {each - start} s never was" for each in sorted(mine.keys() - truth.keys())[:3]
        ]


async def check_store(world: World, store: CandleStore, symbols: Iterable[str], start: int, verdict: Verdict) -> None:
    """Hold the store against the truth: its rows, and that it covers nothing that it lacks."""
    for symbol in symbols:
        for span in await store.coverage(symbol, MINUTE, start, int(world.now)):
            begin, stop = max(span.start, start), min(span.stop, int(world.now))
            truth = world.rows(symbol, begin, stop, world.now)
            rows = await store.rows(symbol, MINUTE, begin, stop, "oldest_first", 10_000_000)
            if rows != truth:
                lacking = {row.open_time for row in truth} - {row.open_time for row in rows}
                verdict.beyond += len(lacking)
                verdict.notes.append(f"{symbol}: the store differs, and lacks {len(lacking)} candles")
            if span.stop > world.now:
                verdict.beyond += 1
