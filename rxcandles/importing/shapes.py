"""What the columns of a file are called, and which of them is which."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from rxcandles.arguments import refusal
from rxcandles.errors import RequestError
from rxcandles.stores.schema import COLUMNS
from rxcandles.timeframe import Timeframe

__all__ = ["FORMATS", "NEEDED", "Shape", "check_columns", "check_name_of_file", "looks_like_pyupbit", "shape_of"]

FORMATS: Final = ("csv", "parquet", "feather", "freqtrade", "ccxt", "pyupbit")
"""The formats that have a name."""

NEEDED: Final = COLUMNS[: COLUMNS.index("volume") + 1]
"""What every source must have."""

_ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "open_time": ("open_time", "candle_date_time_utc", "date", "datetime", "time"),
    "open": ("open", "opening_price"),
    "high": ("high", "high_price"),
    "low": ("low", "low_price"),
    "close": ("close", "trade_price"),
    "volume": ("volume", "candle_acc_trade_volume"),
    "turnover": ("turnover", "candle_acc_trade_price", "value"),
    **{name: (name,) for name in COLUMNS[COLUMNS.index("timestamp") :]},
}
"""Names by which a column is known, whatever their case; the first that is there counts."""

_PYUPBIT: Final = ("", "open", "high", "low", "close", "volume", "value")
_FREQTRADE: Final = re.compile(r"([A-Z0-9]+)_([A-Z0-9]+)-(\d+[smhdwMy])\..+")


@attrs.frozen
class Shape:
    """Which columns of a source are read, and as what."""

    fields: tuple[str, ...]
    """Columns of ours, in their order, that the source has."""
    names: tuple[str, ...]
    """What it calls them."""
    market: str | None
    """What it calls the column with the market, where there is one."""


def looks_like_pyupbit(names: Sequence[str]) -> bool:
    """Say whether the columns are those of pyupbit's frames: an index without a name, and ``value``."""
    return tuple(names) == _PYUPBIT


def check_columns(columns: Mapping[str, str] | None) -> Mapping[str, str]:
    """Return a mapping of our columns' names to others, or raise :class:`RequestError`."""
    if columns is None:
        return {}
    if not isinstance(columns, Mapping) or not all(isinstance(name, str) for name in columns.values()):
        raise refusal("columns", columns, "give a mapping such as {'open_time': 'Date'}")
    for name in columns:
        if name not in COLUMNS:
            raise refusal("columns", name, f"its keys are of {', '.join(COLUMNS)}")
    return columns


def shape_of(found: Sequence[str], where: str, columns: Mapping[str, str], style: str) -> Shape:
    """Return which of the columns ``found`` is which, or raise :class:`RequestError` that says what was wanted."""
    if style == "pyupbit" and "open_time" not in columns:
        columns = {**columns, "open_time": found[0] if found else ""}
    if doubled := [name for name in found if found.count(name) > 1]:
        raise RequestError(f"{where}: column {doubled[0]!r} is there more than once; name each once")
    known = {name.strip().casefold(): name for name in reversed(found)}
    chosen = {}
    for field, aliases in _ALIASES.items():
        if field in columns:
            if columns[field] not in found:
                raise RequestError(
                    f"{where}: there is no column {columns[field]!r} for {field}; its columns are {_list(found)}"
                )
            chosen[field] = columns[field]
        elif name := next((known[alias] for alias in aliases if alias in known), None):
            chosen[field] = name
    if "timestamp" in chosen and "open_time" not in chosen and "open_time" not in columns:
        chosen["open_time"] = chosen.pop("timestamp")  # elsewhere that is the open time
    if missing := [field for field in NEEDED if field not in chosen]:
        hint = "; this is pyupbit's shape: take format pyupbit" if looks_like_pyupbit(found) else ""
        raise RequestError(
            f"{where}: its columns are {_list(found)}, which have no {', '.join(missing)}; rename them, or say which is"
            f" which with columns (--columns), such as {missing[0]}=Name{hint}"
        )
    fields = tuple(field for field in COLUMNS if field in chosen)
    return Shape(fields, tuple(chosen[field] for field in fields), known.get("market"))


def check_name_of_file(name: str, symbol: str, timeframe: Timeframe) -> bool:
    """Say whether a file is called as freqtrade calls them; :class:`RequestError` where it is of another series."""
    found = _FREQTRADE.fullmatch(name)
    if not found:
        return False
    market, frame = f"{found[2]}-{found[1]}", found[3]
    try:
        same = market == symbol and Timeframe.of(frame) is timeframe
    except RequestError:
        same = False
    if not same:
        raise RequestError(
            f"{name} has, by its name, the candles of {market} {frame}, not {symbol} {timeframe};"
            " import it as those, or rename it"
        )
    return True


def _list(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names)) if len(names) <= 20 else f"{', '.join(map(repr, names[:20]))}, …"
