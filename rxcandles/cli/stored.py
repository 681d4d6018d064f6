"""Look into existing databases: the series that a command names, their exchanges, words for Tab completion."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Final

import attrs
import click

from rxcandles.cli.runner import run_async
from rxcandles.cli.text import counted
from rxcandles.errors import RequestError, RxCandlesError
from rxcandles.integrity.aliases import proper_names
from rxcandles.integrity.server_snapshot import snapshot_at
from rxcandles.model.advice import USUAL_DB, db_option
from rxcandles.model.timeframe import BEGINNING, END, Timeframe
from rxcandles.model.which import EVERY, Which, has_glob
from rxcandles.ports import Series
from rxcandles.stores.opening import store_at
from rxcandles.stores.postgres.address import Address
from rxcandles.stores.sql.connection import Sql
from rxcandles.stores.sql.odd import odd_text, read_names

__all__ = ["check_there", "existing", "is_there", "named_in", "series_of", "stored_names", "stored_symbols"]

_PLAIN: Final = re.compile(r"\w[\w.@:/-]*")
"""Letters and digits of any script, and signs that have no meaning in a shell."""


@attrs.frozen
class _Held:
    """The series of a database: with covered spans, and with imported candles."""

    db: str
    proven: frozenset[Series]
    unproven: frozenset[Series]

    def fitting(self, which: Which, exchange: str | None, *, imported: bool) -> list[Series]:
        there = self.proven | self.unproven if imported else self.proven
        return sorted(each for each in there if _is(each, which, exchange))


async def series_of(db: str, which: Which, exchange: str | None = None, *, imported: bool = False) -> list[Series]:
    """Return the stored series that match, sorted by name.

    * ``exchange``: only candles of this exchange; None is any.
    * ``imported``: include series that have imported candles only.

    Raises:
        RequestError: a name or pattern matches nothing, or a series is stored from several exchanges and ``exchange``
            is None.
    """
    held = await _held(db)
    for part in which.parts() or [EVERY]:
        if not held.fitting(part, exchange, imported=imported):
            raise RequestError(await _nothing(held, part, exchange, imported=imported))
    found = held.fitting(which, exchange, imported=imported)
    exchanges: dict[tuple[str, str], list[str]] = {}
    for each in found:  # sorted, so the exchanges are in the order of their names
        exchanges.setdefault((each.symbol, each.timeframe), []).append(each.exchange)
    for (symbol, frame), others in exchanges.items():
        if len(others) > 1:
            raise RequestError(f"{db} has {symbol} {frame} from {' and '.join(others)}; choose one with --exchange")
    return found


def check_there(db: str, which: Which, there: Iterable[Series]) -> None:
    """Raise :class:`RequestError` if a name or pattern matches none of the series that a database has."""
    there = frozenset(there)
    for part in which.parts():
        if not any(part.fits(each.symbol, each.timeframe) for each in there):
            raise RequestError(f"nothing is stored for {part} in {db!r}{_instead(db, part, there)}")


async def named_in(db: str, *, covered: bool = False) -> list[Series]:
    """Return the series that a database names, with their proper spelling; write nothing.

    * ``covered``: True leaves out those without coverage, such as that of a collection that never got an answer.
    """
    sql = "SELECT id, exchange, symbol, timeframe FROM series"
    if covered:
        sql += " WHERE id IN (SELECT series FROM coverage)"

    def read(connection: Sql) -> list[Series]:
        found = read_names(connection, sql).found
        names = proper_names(Series(*map(odd_text, words)) for _, words in found)
        return [proper or series for series, proper in names.items()]

    async with snapshot_at(db) as snapshot:
        return await snapshot.call(read)


async def _held(db: str) -> _Held:
    async with store_at(db) as store:
        return _Held(db, frozenset(await store.series()), frozenset(await store.imported_series()))


def _is(series: Series, which: Which, exchange: str | None) -> bool:
    # Reading takes a name as it is written, unlike verify: 'krw-btc' may be another market than 'KRW-BTC'.
    exact = [each for each in which.symbols if not has_glob(each)]
    globs = [each for each in which.symbols if has_glob(each)]
    named = series.symbol in exact or (Which(tuple(globs)).fits(*series[1:]) if globs or not exact else False)
    return named and Which((), which.timeframes).fits(*series[1:]) and exchange in (None, series.exchange)


async def _nothing(held: _Held, part: Which, exchange: str | None, *, imported: bool) -> str:
    of = "" if exchange is None else f" from {exchange}"
    name = str(part)
    nothing = f"nothing is stored{' for ' * bool(name)}{name}{of} in {held.db!r}"
    if not imported:
        count = 0
        for each in held.fitting(part, exchange, imported=True):
            async with store_at(held.db, exchange=each.exchange) as store:
                count += await store.imported_count(each.symbol, Timeframe.of(each.timeframe), BEGINNING, END)
        if count:
            return f"{nothing} but {counted(count, 'imported candle')}, not proven; add --imported to use them"
    return nothing + _instead(held.db, part, held.proven | held.unproven)


def _instead(db: str, part: Which, there: frozenset[Series]) -> str:
    meant = _meant(part.symbols, {each.symbol for each in there})
    if meant:
        return f"; did you mean {meant!r}?"
    frames = sorted({each.timeframe for each in there if each.symbol in part.symbols})
    if frames:
        return f"; stored timeframes of {part.symbols[0]}: {', '.join(frames)}"
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
    """Return whether the file exists; a server's database counts as existing."""
    if isinstance(db, Address):
        return True
    try:
        return Path(db).is_file()
    except ValueError:  # a NUL in its name, on Python before 3.12
        return False


def existing(db: str) -> str:
    """Return ``db``; raise :class:`RequestError` if the file does not exist, since reading must not create it."""
    if isinstance(db, Address):
        run_async(_looked_at(db))
    elif not is_there(db):
        raise RequestError(f"there is no database {db!r}; name one with --db, or collect candles into it first")
    return db


async def _looked_at(db: str) -> None:
    """Raise :class:`RequestError` if a server's database has no candles yet."""
    async with snapshot_at(db):
        pass


def stored_symbols(context: click.Context, incomplete: str) -> list[str]:
    """Return the stored symbols that begin with ``incomplete``; none if the database does not exist."""
    return _begin_so({series.symbol for series in _stored(context)}, incomplete)


def stored_names(context: click.Context, incomplete: str) -> list[str]:
    """Return the stored names of exchanges that begin with ``incomplete``."""
    return _begin_so({series.exchange for series in _stored(context)}, incomplete)


def _begin_so(words: Iterable[str], beginning: str) -> list[str]:
    """Return the words with this beginning that a shell takes as they are: completion does not quote them."""
    return sorted(each for each in words if each.startswith(beginning) and _PLAIN.fullmatch(each))


def _stored(context: click.Context) -> list[Series]:
    path = context.params.get("db") or USUAL_DB
    if not is_there(path):
        return []
    with suppress(RxCandlesError):  # completion has no place for an error; the command itself will print it
        return run_async(_series(path))
    return []


async def _series(path: str) -> list[Series]:
    # A snapshot writes nothing: pressing Tab must not change files.
    async with snapshot_at(path) as snapshot:
        return await snapshot.call(
            lambda connection: [
                Series(*map(str, names))
                for names in connection.execute("SELECT exchange, symbol, timeframe FROM series").fetchall()
            ]
        )
