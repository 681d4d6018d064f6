"""Find out whether a file is an earlier export of the same series, which a later export may replace."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, Final

from rxcandles.interchange.tools import ours
from rxcandles.interchange.writing.formats import format_called
from rxcandles.interchange.writing.lines import FIELDS
from rxcandles.model import TRADE_FIELDS
from rxcandles.model.timeframe import Timeframe, from_datetime
from rxcandles.util.extras import need

__all__ = ["are_earlier_exports", "is_earlier_export"]

LINES: Final = 1000
"""Lines of a text that are read; a market without two adjacent candles in them is not recognised."""
LONGEST: Final = 1000
"""The most characters of a line."""


def are_earlier_exports(path: Path, kind: str, by_month: bool, exchange: str, symbol: str, frame: Timeframe) -> bool:
    """Return whether all files that an export to ``path`` may replace are earlier exports of this series."""
    file_name = format_called(kind).file_name
    if file_name is not None:
        paths = [path / file_name(symbol, frame.name)]
    elif by_month:
        paths = [*ours.month_folder(path, symbol, frame.name).glob(f"????-??.{kind}")]
    else:
        paths = [path]
    return all(is_earlier_export(each, kind, exchange, symbol, frame) for each in paths if each.is_file())


def is_earlier_export(path: Path, kind: str, exchange: str, symbol: str, frame: Timeframe) -> bool:
    """Return whether ``path`` is an export of this series in this format; False if in doubt.

    Parquet and feather files state it in their metadata. A text is one if it has our columns, its first candles are of
    the symbol, and two adjacent ones are as far apart as the timeframe is long.
    """
    try:
        if kind in ("csv", "jsonl"):
            return _text_is_of(path, kind, symbol, frame)
        about = ours.about(_metadata(path)) if format_called(kind).needs_arrow else None
        return about is not None and [about[name] for name in ("exchange", "symbol", "timeframe")] == [
            exchange, symbol, frame.name,
        ]  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, RecursionError):  # pyarrow's are ValueErrors
        return False


def _metadata(path: Path) -> Mapping[bytes, bytes] | None:
    with path.open("rb") as file:
        is_parquet = file.read(4) == b"PAR1"
    if is_parquet:
        found: Any = need("pyarrow.parquet", "export").read_schema(path).metadata
    else:
        with (
            need("pyarrow", "export").OSFile(str(path)) as arrow_file,
            need("pyarrow.ipc", "export").open_file(arrow_file) as feather,
        ):
            found = feather.schema.metadata
    return found  # type: ignore[no-any-return]


def _text_is_of(path: Path, kind: str, symbol: str, frame: Timeframe) -> bool:
    with path.open(encoding="utf-8") as file:
        header = file.readline(LONGEST).rstrip("\n") if kind == "csv" else ",".join(FIELDS)
        for more in (",proven", f",{','.join(TRADE_FIELDS)}"):
            header = header.removesuffix(more)
        lines = list(islice(iter(lambda: file.readline(LONGEST), ""), LINES))
    if header != ",".join(FIELDS):
        return False
    read: Callable[[str], tuple[str, str]] = _of_csv if kind == "csv" else _of_json
    candles = [read(line) for line in lines]
    times = [int(from_datetime(datetime.fromisoformat(time))) for _, time in candles]
    follow = any(frame.shift(older, 1) == newer for older, newer in pairwise(times))
    near = any(frame.shift(older, 1) > newer for older, newer in pairwise(times))
    return {name for name, _ in candles} == {symbol} and follow and not near


def _of_csv(line: str) -> tuple[str, str]:
    name, time, _ = line.split(",", 2)
    return name, time


def _of_json(line: str) -> tuple[str, str]:
    candle = json.loads(line)
    if [*candle][: len(FIELDS)] != [*FIELDS]:
        raise ValueError("not our columns")
    return candle[FIELDS[0]], candle[FIELDS[1]]
