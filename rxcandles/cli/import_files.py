"""Which files ``rxcandles import`` takes, and of which series each is."""

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
    """A file, and the series that it is to be imported as."""

    path: str
    symbol: str
    timeframe: str


@attrs.frozen
class Left:
    """A file of a folder that is left out, and why."""

    path: str
    why: str


def files_of(
    paths: Sequence[str], symbol: str | None, timeframe: str | None, exchange: str = EXCHANGES[0]
) -> list[Asked | Left]:
    """Return each file that is named, and those of each folder, oldest name first.

    Market and timeframe are those given; what is not given the name of the file says. Of a folder what is of another
    series is left out, as is what has no candles; of files that are named nothing is. What is lacking is asked for
    as the ``exchange`` has it.
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
                f"no file in {each!r} says by its name which market and timeframe it is of, as BTC_KRW-1m.feather"
                f" does{told}; name files with --symbol and --timeframe"
            )
        found += inside
    return found


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith(".") and (kind_of(path) or path.suffix.lower() in PACKED):
            yield path


def _asked(path: Path, symbol: str | None, timeframe: str | None, exchange: str) -> Asked:
    by_name = series_of_name(path, exchange) if symbol is None or timeframe is None else None
    if by_name is not None:
        symbol, timeframe = symbol or by_name[0], timeframe or by_name[1]
    if symbol is None or timeframe is None:
        if not path.exists():
            raise RequestError(f"there is no file {str(path)!r}; name the one that is to be imported")
        wanted = ((f"--symbol {named(exchange).example}", symbol), ("--timeframe 1m", timeframe))
        lacking = [words for words, value in wanted if value is None]
        raise RequestError(
            f"{str(path)!r} does not say by its name which market and timeframe it is of; give {' and '.join(lacking)}"
        )
    return Asked(str(path), symbol, timeframe)


def _of_folder(path: Path, symbol: str | None, timeframe: str | None, exchange: str) -> Asked | Left:
    unfit = next((said.unfit for said in statements_of_name(path)[1] if said.unfit), None)
    if unfit is not None:
        return Left(str(path), f"it has {unfit}, no candles")
    by_name = series_of_name(path, exchange)
    if by_name is None:
        if symbol is None or timeframe is None:
            return Left(str(path), "its name says no market and timeframe of candles")
        return Asked(str(path), symbol, timeframe)
    wanted = (symbol or by_name[0], by_name[1] if timeframe is None else Timeframe.of(timeframe).name)
    if wanted != by_name:
        return Left(str(path), f"it is of {' '.join(by_name)}")
    return Asked(str(path), *wanted)
