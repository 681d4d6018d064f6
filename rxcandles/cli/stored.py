"""Databases that are there: which of their series a command means, whose candles they are, what a shell completes."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Final

import attrs
import click

from rxcandles.cli.runner import run_async
from rxcandles.errors import RequestError, RxCandlesError
from rxcandles.integrity.aliases import proper_names
from rxcandles.integrity.snapshot import Snapshot
from rxcandles.model.advice import USUAL_DB, db_option
from rxcandles.model.timeframe import BEGINNING, END, Timeframe
from rxcandles.model.which import EVERY, Which, has_glob
from rxcandles.ports import Series
from rxcandles.stores import SqliteStore
from rxcandles.stores.sqlite.odd import odd_text, read_names
from rxcandles.util.arguments import check_path

__all__ = ["check_there", "existing", "is_there", "named_in", "series_of", "stored_names", "stored_symbols"]

_PLAIN: Final = re.compile(r"\w[\w.@:/-]*")
"""Letters and digits of any script, and signs that mean nothing to a shell."""


@attrs.frozen
class _Held:
    """What a database has."""

    db: str
    proven: frozenset[Series]
    unproven: frozenset[Series]

    def fitting(self, which: Which, exchange: str | None, *, imported: bool) -> list[Series]:
        there = self.proven | self.unproven if imported else self.proven
        return sorted(each for each in there if _is(each, which, exchange))


async def series_of(db: str, which: Which, exchange: str | None = None, *, imported: bool = False) -> list[Series]:
    """Return the stored series that are meant, ``imported`` ones too where they are wanted, by name.

    Raises :class:`RequestError` where a name or a glob has none, with what may have been meant, or where candles of
    several exchanges are stored of a series and none is named.
    """
    held = await _held(db)
    for part in which.parts() or [EVERY]:
        if not held.fitting(part, exchange, imported=imported):
            raise RequestError(await _nothing(held, part, exchange, imported=imported))
    found = held.fitting(which, exchange, imported=imported)
    exchanges: dict[tuple[str, str], list[str]] = {}
    for each in found:  # by their exchanges' names first
        exchanges.setdefault((each.symbol, each.timeframe), []).append(each.exchange)
    for (symbol, frame), others in exchanges.items():
        if len(others) > 1:
            raise RequestError(f"{db} has {symbol} {frame} from {' and '.join(others)}; say which with --exchange")
    return found


def check_there(db: str, which: Which, there: Iterable[Series]) -> None:
    """Raise :class:`RequestError` where a name or a glob fits none of the series that a database has."""
    there = frozenset(there)
    for part in which.parts():
        if not any(part.fits(each.symbol, each.timeframe) for each in there):
            raise RequestError(f"nothing is stored of {part} in {db!r}{_instead(db, part, there)}")


async def named_in(db: str) -> list[Series]:
    """Return the series that a database has names of, as they are meant; nothing is written for it."""

    def read(connection: sqlite3.Connection) -> list[Series]:
        found = read_names(connection, "SELECT id, exchange, symbol, timeframe FROM series").found
        names = proper_names(Series(*map(odd_text, words)) for _, words in found)
        return [proper or series for series, proper in names.items()]

    async with Snapshot(db) as snapshot:
        return await snapshot.call(read)


async def _held(db: str) -> _Held:
    async with SqliteStore(db) as store:
        return _Held(db, frozenset(await store.series()), frozenset(await store.imported_series()))


def _is(series: Series, which: Which, exchange: str | None) -> bool:
    # Unlike a check of the file, reading takes a name as it is written: 'krw-btc' may be another one than 'KRW-BTC'.
    exact = [each for each in which.symbols if not has_glob(each)]
    globs = [each for each in which.symbols if has_glob(each)]
    named = series.symbol in exact or (Which(tuple(globs)).fits(*series[1:]) if globs or not exact else False)
    return named and Which((), which.timeframes).fits(*series[1:]) and exchange in (None, series.exchange)


async def _nothing(held: _Held, part: Which, exchange: str | None, *, imported: bool) -> str:
    of = "" if exchange is None else f" of {exchange}"
    name = str(part)
    nothing = f"nothing is stored{' of ' * bool(name)}{name}{of} in {held.db!r}"
    if not imported:
        count = 0
        for each in held.fitting(part, exchange, imported=True):
            async with SqliteStore(held.db, exchange=each.exchange) as store:
                count += await store.imported_count(each.symbol, Timeframe.of(each.timeframe), BEGINNING, END)
        if count:
            return f"{nothing} but {count:,} imported candles, none of them proven; --imported takes them"
    return nothing + _instead(held.db, part, held.proven | held.unproven)


def _instead(db: str, part: Which, there: frozenset[Series]) -> str:
    meant = _meant(part.symbols, {each.symbol for each in there})
    if meant:
        return f"; did you mean {meant!r}?"
    frames = sorted({each.timeframe for each in there if each.symbol in part.symbols})
    if frames:
        return f"; there is {part.symbols[0]} {', '.join(frames)}"
    return f"; `rxcandles coverage{db_option(db)}` shows what is"


def _meant(symbols: Iterable[str], there: set[str]) -> str | None:
    for symbol in symbols:
        if symbol in there:
            continue
        words = symbol.upper().replace("/", "-").replace("_", "-").split("-")
        for name in sorted(there):
            parts = name.upper().split("-")
            if name.casefold() == symbol.casefold() or sorted(parts) == sorted(words) or parts[1:] == words:
                return name
        near = get_close_matches(symbol, sorted(there), 1, 0.75)
        if near:
            return near[0]
    return None


def is_there(db: str) -> bool:
    """Return whether there is such a file; a command that only reads makes none."""
    try:
        return Path(db).is_file()
    except ValueError:  # a NUL in its name, on Python before 3.12
        return False


def existing(db: str) -> str:
    """Return ``db``, or raise :class:`RequestError` where there is no such file: reading makes none."""
    if ":/" in db:
        check_path("--db", db)  # which shows no password
    if not is_there(db):
        raise RequestError(f"there is no database {db!r}; name one with --db, or collect candles into it first")
    return db


def stored_symbols(context: click.Context, incomplete: str) -> list[str]:
    """Return the symbols that the database of the command line holds and that begin so; none where there is none."""
    return _begin_so({series.symbol for series in _stored(context)}, incomplete)


def stored_names(context: click.Context, incomplete: str) -> list[str]:
    """Return the names under which that database holds candles and that begin so."""
    return _begin_so({series.exchange for series in _stored(context)}, incomplete)


def _begin_so(words: Iterable[str], beginning: str) -> list[str]:
    """Return the words that begin so and that no shell does anything with: what is completed is run as it stands."""
    return sorted(each for each in words if each.startswith(beginning) and _PLAIN.fullmatch(each))


def _stored(context: click.Context) -> list[Series]:
    path = context.params.get("db") or USUAL_DB
    if not is_there(path):
        return []
    with suppress(RxCandlesError):  # a shell that completes has no place for an error; the command itself will say it
        return run_async(_series(path))
    return []


async def _series(path: str) -> list[Series]:
    # Whoever presses Tab has asked for nothing to be written.
    async with Snapshot(path) as snapshot:
        return await snapshot.call(
            lambda connection: [
                Series(*map(str, names))
                for names in connection.execute("SELECT exchange, symbol, timeframe FROM series").fetchall()
            ]
        )
