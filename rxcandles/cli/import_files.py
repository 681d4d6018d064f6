"""Find the files that ``rxcandles import`` reads, and the series of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from rxcandles.errors import RequestError
from rxcandles.exchanges import named
from rxcandles.interchange.reading.file_names import series_of_name, statements_of_name
from rxcandles.interchange.reading.unpack import PACKED, kind_of
from rxcandles.model.naming import EXCHANGES
from rxcandles.model.timeframe import Timeframe

__all__ = ["Asked", "Left", "files_of"]


@attrs.frozen
class Asked:
    """A file, and the series under which it is imported."""

    path: str
    symbol: str
    timeframe: str


@attrs.frozen
class Left:
    """A file in a folder that is left out, and why."""

    path: str
    why: str


def files_of(
    paths: Sequence[str], symbol: str | None, timeframe: str | None, exchange: str = EXCHANGES[0]
) -> list[Asked | Left]:
    """Return each named file, and the files of each named folder in the order of their names.

    * ``symbol``, ``timeframe``: of all files; if None, the file name says it.
    * ``exchange``: an error proposes a market of this exchange.

    In a folder, files of other series and files without candles are left out. A named file is never left out.

    Raises:
        RequestError: the series of a file is not known, or a folder has no file that says its series.
    """
    found: list[Asked | Left] = []
    for each in paths:
        path = Path(each)
        if not path.is_dir():
            found.append(_asked(path, symbol, timeframe, exchange))
            continue
        inside = [_of_folder(file, symbol, timeframe, exchange) for file in _files(path)]
        if not any(isinstance(file, Asked) for file in inside):
            told = f"; the first, {inside[0].path!r}: {inside[0].why}" if inside and isinstance(inside[0], Left) else ""
            raise RequestError(
                f"no file in {each!r} has a market and a timeframe in its name, such as BTC_KRW-1m.feather{told}; "
                "name the files one by one, with --symbol and --timeframe"
            )
        found += inside
    return found


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        # What begins so is hidden, or describes the files beside it.
        if path.is_file() and not path.name.startswith((".", "_")) and (kind_of(path) or path.suffix.lower() in PACKED):
            yield path


def _asked(path: Path, symbol: str | None, timeframe: str | None, exchange: str) -> Asked:
    by_name = _by_name(path, exchange) if symbol is None or timeframe is None else None
    if by_name is not None:
        symbol, timeframe = symbol or by_name[0], timeframe or by_name[1]
    if symbol is None or timeframe is None:
        if not path.exists():
            raise RequestError(f"there is no file {str(path)!r}; name the file to import")
        wanted = ((f"--symbol {named(exchange).example}", symbol), ("--timeframe 1m", timeframe))
        lacking = [words for words, value in wanted if value is None]
        raise RequestError(
            f"the name of {str(path)!r} does not say its market and timeframe; give {' and '.join(lacking)}"
        )
    return Asked(str(path), symbol, timeframe)


def _of_folder(path: Path, symbol: str | None, timeframe: str | None, exchange: str) -> Asked | Left:
    unfit = next((said.unfit for said in statements_of_name(path)[1] if said.unfit), None)
    if unfit is not None:
        return Left(str(path), f"it has {unfit}, not candles")
    by_name = _by_name(path, exchange)
    if by_name is None:
        if symbol is None or timeframe is None:
            return Left(str(path), "its name has no market and timeframe")
        return Asked(str(path), symbol, timeframe)
    wanted = (symbol or by_name[0], by_name[1] if timeframe is None else Timeframe.of(timeframe).name)
    if wanted != by_name:
        return Left(str(path), f"it has {' '.join(by_name)}")
    return Asked(str(path), *wanted)


def _by_name(path: Path, exchange: str) -> tuple[str, str] | None:
    """Return the series that the name of a file says, its market as ``exchange`` writes it."""
    found = series_of_name(path, exchange)
    return None if found is None else (named(exchange).spelled(found[0]), found[1])
